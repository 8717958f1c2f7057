//! Documents that the target wrote, recorded on 2026-11-25 from `daprd` (d8450742) with `crypto.dapr.localstorage`, key
//! `aes256` = bytes 0 to 31: `PUT /v1.0-alpha1/crypto/vault/encrypt` of the plaintext below. What stands here is the
//! header, the hash of the whole document, and where it is short its body.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::manifest::Manifest;
use crate::seal::begin;
use crate::{FileKey, HeaderReader};

struct Recorded {
    name: &'static str,
    /// Bytes of plaintext.
    length: usize,
    header: &'static str,
    sha256: &'static str,
    /// In base64; empty where it is long.
    body: &'static str,
}

const RECORDED: &[Recorded] = &[
    Recorded {
        name: "empty",
        length: 0,
        header: concat!(
            "dapr.io/enc/v1\n",
            "{\"k\":\"aes256\",\"kw\":1,\"wfk\":\"//cdECzhZ49Iv75mMAVX2jhg5f9rAYYnxL8fwM0oKE3f4uWCtb4umg==\",\"cph\":1,\"np\":\"OOfZvt1jIg==\"}\n",
            "JiLi6/sclwmIu5Umv1fi7lUajjbau1sLEWCswvhwvvg=\n",
        ),
        sha256: "c35e255fc07d9bebb84ab68b54058614265e8259479597f5611f8f063716dd78",
        body: "",
    },
    Recorded {
        name: "small",
        length: 300,
        header: concat!(
            "dapr.io/enc/v1\n",
            "{\"k\":\"aes256\",\"kw\":1,\"wfk\":\"Cxf0LGFVjEYdVdZI1s33k4W07umI6U5ERWMOuR/I4GyqhOnlQ2jrNg==\",\"cph\":1,\"np\":\"U99ugvOjqg==\"}\n",
            "E8oCVjO6o3dmQeGx4Wqnw5l+3bvU/Q2gA63HHHeMCxk=\n",
        ),
        sha256: "845c60e13dcc448165124d9d3c90eff86592f77cbc2b0b612d0cc7f2cc9f536e",
        body: "dTaibMWXRsQZVyQAZVqjnluVHoDTbCxiX9tN1ktPKQCKhUkCBrbE/VEjqg4SH3tibcHBAseHqFVxhqC2QMadyc+16Pxu4vOQWARcxP7h+JMTKDe5bLFVcwclOnpxNzD4X0WNQzN0p4vlVHFetYtByitrAUfdaAn5Df+6lRCvJ1HSQKbj5M3qQno3hsbhQ7kdGurQWRqbvpmnSv2uaSfAIy29cTJk66WkCV5acZ8nogKmavzcbjzuU6xKTa6BkrLJ1a13wd4LGU20UswHsO6dV7QfjoSPG3/mD1F7Jb0t+nnP8KWTPISi53IUlXlQ4XRtGAdZZFn78ULKxdgkanO9uMGhNDycZyEjrig8r/HjiEKOLzZHEtBJ2ijdotHFMwOGzDO2P4D6rrRg+krYLlDdmCFvKrV6xWom3fbPdA==",
    },
    Recorded {
        name: "chacha",
        length: 300,
        header: concat!(
            "dapr.io/enc/v1\n",
            "{\"k\":\"aes256\",\"kw\":1,\"wfk\":\"3CleCiYL7Vkqefoc9/oACXyApc7W7WxNfdKvlJu6jCSHYwmlbceTJw==\",\"cph\":2,\"np\":\"eANM3nWojg==\"}\n",
            "plTBxlHVEvmCq3UYqSuJ3wTsHpLMjh3Pjwbpx5KHqgU=\n",
        ),
        sha256: "b7aad1fef658be6fd3ae6c0e3a147c58c3affddc0b702d9d146114fa67b3dc36",
        body: "CZp6IAGBsRsYkrnRCKc/CfgLEKbGs5SoECsLUi0a2V0dpnzVB2Pl+i2bTHj3ix2O6Uw74lQZ9QKNuRKkK/cD9STHR7FE1chxMI1DyvfgG1iisRvzoCwhmDCofoxeO74+xF3dhYboQTxIXYiSPjdCOmSuY9WuwJFN4h88D/FG2gZyXswZTL59CCSCsgQQIipFLBNAxdvMpj+/6AN959CxChLDQImlNQL4DmIvR0evD0HGENWk4UW6RWtcBW9jcneIc7s6bDWVGUb6YpyDLBaTnpO7QbzDm1KHVrCQkTz70K7DHUaF5dAYyF2NX2oVDuwD1MH2UjA0k0vd5DbyDYTswL8Cms5CAUScFJNU7FcEtU8Np4LjNTEAWDC6GxMylmgc0QjamuH/I+m/XuqffFC0RTcGpk4mbp72kDIwuw==",
    },
    Recorded {
        name: "noname",
        length: 300,
        header: concat!(
            "dapr.io/enc/v1\n",
            "{\"kw\":1,\"wfk\":\"sucQ8pPzzM9Q4ZuLiRgcoPw67sqbIYEMpxfqEJDxyoCnPSpcm2YPvg==\",\"cph\":1,\"np\":\"lX7uLlSSrw==\"}\n",
            "Cqg+/hoYP27Z61JWDDqsip80x+TPFq7jdaDg1hwFRdA=\n",
        ),
        sha256: "ebf91127d4af9a4d19eaed0ea2e322b712119d098f73156f09b31ddeda10e148",
        body: "vuWLaTSC+xmFokk58gwAQ1K3P8K9S5qjYnOxKtXu2P5SJsywqtIteiU6s3jQ1zZvDC5IFMJcA5jF7K179m+VCmVoXpKSbcqB98WB7lhvicv5Duw7sMVVfR1L0ZhBFjWglQ1g1X9Vbf5P0RuAIU1OYbW89BHuQ2t8yiEN6UtVx8zEjy6NGEq0CXzslO1CrR6ZBwLoACRUo9h1+RXaHyPDimENkw7VDOKyvFmhYFEtwd2Pe3QBhkSUcXgNvV5srQpgqoi+8B5nYo0ej3Jed0aaQDIT6cud1p/B21LcFJNrX4DLj0Eon/7Lh1rs7eZtUkx7lv/ZyMGjN0C9kA0/Kq6/LvIifVtCI7NALR8neBZOHLpypXsbmAqm9f6N/eVFD5vTtnkLmX7c2qG8Zwb2ZEi7dUKonjGIZQD9+DqN/Q==",
    },
    Recorded {
        name: "full",
        length: 65536,
        header: concat!(
            "dapr.io/enc/v1\n",
            "{\"k\":\"aes256\",\"kw\":1,\"wfk\":\"sk+rniAp6QI4Ixoyyn3XQ+W/kQqvsof7szvWR9gQJnNPcr8SBDAHGw==\",\"cph\":1,\"np\":\"P7u9Gcqdxg==\"}\n",
            "iR9fbYusrhJsnZzVCXPnhEq0yDlT9c2rET9sg5DK5BY=\n",
        ),
        sha256: "a59de89a79e7ff054da85ae2c00154bc508be856909925ebd275294a1ac63ca2",
        body: "",
    },
    Recorded {
        name: "two",
        length: 65537,
        header: concat!(
            "dapr.io/enc/v1\n",
            "{\"k\":\"aes256\",\"kw\":1,\"wfk\":\"/KmV/NIBjFLPojAq1PLVanv4TzZNLHLTeVOzAZNfbDe7yG/r69pD0w==\",\"cph\":1,\"np\":\"BhDaWKVRGQ==\"}\n",
            "Vv/H7QTfMy4CkazKSsuRkQ0jICdeqr9v8HrWQ4Sajw0=\n",
        ),
        sha256: "ec08ccc20d7fad94267ddcfe038bb1e48e4434ba707af1935b67495171216ab5",
        body: "",
    },
    Recorded {
        name: "three-chacha",
        length: 131077,
        header: concat!(
            "dapr.io/enc/v1\n",
            "{\"k\":\"aes256\",\"kw\":1,\"wfk\":\"2Rw//TrB8SFC0O665UFZ/UFBWoLVZXQ/cGJ9UPAxWkd1xgsCcXbdyw==\",\"cph\":2,\"np\":\"LSyIPk79EQ==\"}\n",
            "ibo/d+LrdoRedxi4CsJKlLSuA00zr60avAulnimba9g=\n",
        ),
        sha256: "d68545c178306e1c9b89a201f3597b3f0639e10c32da548b6484a6c27cc79ab5",
        body: "",
    },
];

/// The plaintext of every recorded document.
pub(crate) fn plaintext(length: usize) -> Bytes {
    (0..length).map(|at| u8::try_from((at * 7 + at / 256) % 251).unwrap()).collect()
}

fn unwrapped(header: &str) -> FileKey {
    let manifest = Manifest::read(header.lines().nth(1).unwrap().as_bytes()).unwrap();
    let kek: Vec<u8> = (0..32).collect();
    let mut out = [0; 40];
    let key = AesKek::new(&AES_256, &kek).unwrap().unwrap(&manifest.wrapped_key, &mut out).unwrap();
    FileKey::unwrapped(key)
}

/// Our document of the same plaintext, file key and manifest.
fn ours(recorded: &Recorded) -> Vec<u8> {
    let manifest = Manifest::read(recorded.header.lines().nth(1).unwrap().as_bytes()).unwrap();
    let (header, mut sealer) = begin(&unwrapped(recorded.header), &manifest).unwrap();
    let mut document = header.to_vec();
    for piece in plaintext(recorded.length).chunks(10_000) {
        sealer.push(&Bytes::copy_from_slice(piece));
        while let Some(segment) = sealer.segment().unwrap() {
            document.extend_from_slice(&segment);
        }
    }
    document.extend_from_slice(&sealer.finish().unwrap().unwrap_or_default());
    document
}

#[test]
fn we_write_byte_for_byte_what_the_target_wrote() {
    for recorded in RECORDED {
        let document = ours(recorded);
        assert!(document.starts_with(recorded.header.as_bytes()), "{}", recorded.name);
        let hash: String = digest(&SHA256, &document).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, recorded.sha256, "{}", recorded.name);
    }
}

#[test]
fn we_read_what_the_target_wrote() {
    for recorded in RECORDED {
        let mut document = recorded.header.as_bytes().to_vec();
        match recorded.body {
            // The hashes are equal, as the other test says, so this is what the target wrote.
            "" => document = ours(recorded),
            body => document.extend(STANDARD.decode(body).unwrap()),
        }
        let sealed = HeaderReader::new().push(&document.into()).unwrap().unwrap();
        let mut opener = sealed.open(&unwrapped(recorded.header)).unwrap();
        let mut plain = Vec::new();
        while let Some(segment) = opener.segment().unwrap() {
            plain.extend_from_slice(&segment);
        }
        plain.extend_from_slice(&opener.finish().unwrap().unwrap_or_default());
        assert!(plain == plaintext(recorded.length), "{}", recorded.name);
    }
}
