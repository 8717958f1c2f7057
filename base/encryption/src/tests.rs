//! What sealing and opening promise together.

use bytes::Bytes;
use proptest::prelude::*;

use crate::recorded_tests::plaintext;
use crate::segments::{OVERHEAD, SEGMENT};
use crate::{Cipher, Error, FileKey, HeaderReader, KeyAlgorithm, seal};

const KEY: [u8; 32] = [7; 32];

fn document(length: usize, cipher: Cipher) -> Vec<u8> {
    let (header, mut sealer) =
        seal(&FileKey::unwrapped(&KEY), KeyAlgorithm::Aes256Kw, b"wrapped".to_vec(), cipher, "k").unwrap();
    let mut document = header.to_vec();
    sealer.push(&plaintext(length));
    while let Some(segment) = sealer.segment().unwrap() {
        document.extend_from_slice(&segment);
    }
    document.extend_from_slice(&sealer.finish().unwrap().unwrap_or_default());
    document
}

/// What was given out before the end or the error, and which of the two it was.
fn open(document: &[u8], piece: usize) -> (Vec<u8>, Result<(), Error>) {
    let mut out = Vec::new();
    let result = open_into(document, piece, &mut out);
    (out, result)
}

fn open_into(document: &[u8], piece: usize, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut reader = HeaderReader::new();
    let mut opener = None;
    for piece in document.chunks(piece).map(Bytes::copy_from_slice) {
        match &mut opener {
            None => {
                if let Some(sealed) = reader.push(&piece)? {
                    opener = Some(sealed.open(&FileKey::unwrapped(&KEY))?);
                }
            }
            Some(opener) => opener.push(&piece),
        }
        while let Some(segment) = opener.as_mut().map_or(Ok(None), |opener| opener.segment())? {
            out.extend_from_slice(&segment);
        }
    }
    let opener = opener.ok_or_else(|| reader.missing())?;
    out.extend_from_slice(&opener.finish()?.unwrap_or_default());
    Ok(())
}

fn header_length(document: &[u8]) -> usize {
    document.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).nth(2).unwrap()
}

#[test]
fn every_length_around_a_segment_comes_back_however_it_is_cut() {
    for cipher in [Cipher::AesGcm, Cipher::ChaCha20Poly1305] {
        for length in [0, 1, 15, 16, 17, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, 2 * SEGMENT + 1] {
            let sealed = document(length, cipher);
            let segments = length.div_ceil(SEGMENT);
            assert_eq!(sealed.len(), header_length(&sealed) + length + segments * OVERHEAD);
            for piece in [1000, SEGMENT, SEGMENT + OVERHEAD, usize::MAX >> 1] {
                assert!(open(&sealed, piece) == (plaintext(length).to_vec(), Ok(())), "{length} by {piece}");
            }
        }
    }
}

#[test]
fn no_wrong_bit_of_a_document_passes() {
    let sealed = document(40, Cipher::AesGcm);
    for at in 0..sealed.len() {
        for bit in 0..8 {
            let mut changed = sealed.clone();
            changed[at] ^= 1 << bit;
            let (out, result) = open(&changed, 64);
            assert!(out.is_empty() && result.is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn a_wrong_byte_is_seen_before_its_segment_is_given_out() {
    for cipher in [Cipher::AesGcm, Cipher::ChaCha20Poly1305] {
        let sealed = document(2 * SEGMENT + 100, cipher);
        let start = header_length(&sealed);
        for number in 0..3_u32 {
            let mut changed = sealed.clone();
            let segment = usize::try_from(number).unwrap();
            changed[start + segment * (SEGMENT + OVERHEAD) + 50] ^= 1;
            let (out, result) = open(&changed, 5000);
            assert_eq!(result, Err(Error::Segment(number)));
            assert!(out == plaintext(segment * SEGMENT));
        }
    }
}

#[test]
fn a_document_that_is_cut_anywhere_behind_its_header_is_seen_as_cut() {
    let sealed = document(2 * SEGMENT + 40, Cipher::AesGcm);
    let start = header_length(&sealed);
    let full = SEGMENT + OVERHEAD;
    for end in [1, 16, 17, full - 1, full, full + 1, 2 * full, 2 * full + 1, 2 * full + 55] {
        let (out, result) = open(&sealed[..start + end], 5000);
        assert!(matches!(result, Err(Error::Segment(_))), "{end}");
        assert!(plaintext(2 * SEGMENT).starts_with(&out), "{end}");
    }
}

#[test]
fn segments_that_are_moved_repeated_dropped_or_added_are_seen() {
    let sealed = document(3 * SEGMENT, Cipher::AesGcm);
    let start = header_length(&sealed);
    let (header, body) = sealed.split_at(start);
    let parts: Vec<&[u8]> = body.chunks(SEGMENT + OVERHEAD).collect();
    let [a, b, c] = *parts.as_slice() else { panic!("three segments") };
    for (order, wrong) in [
        (vec![b, a, c], 0),
        (vec![a, a, b, c], 1),
        (vec![a, c], 1),
        (vec![a, c, b], 1),
        (vec![b, c], 0),
        (vec![a, b, c, c], 2),
        (vec![a, b, c, b"x"], 2),
        (vec![a, b], 1),
    ] {
        let (_, result) = open(&[header, &order.concat()].concat(), 5000);
        assert_eq!(result, Err(Error::Segment(wrong)));
    }
}

#[test]
fn a_segment_of_another_document_of_the_same_key_is_seen() {
    let (one, other) = (document(100, Cipher::AesGcm), document(100, Cipher::AesGcm));
    let spliced = [&one[..header_length(&one)], &other[header_length(&other)..]].concat();
    assert_eq!(open(&spliced, 5000).1, Err(Error::Segment(0)));
}

#[test]
fn a_wrong_key_and_one_of_a_wrong_length_look_the_same() {
    let sealed = document(10, Cipher::AesGcm);
    for key in [[8; 32].as_slice(), &[7; 31], &[]] {
        let read = HeaderReader::new().push(&Bytes::copy_from_slice(&sealed)).unwrap().unwrap();
        assert_eq!(read.open(&FileKey::unwrapped(key)).err(), Some(Error::Signature));
    }
}

#[test]
fn a_header_that_could_not_be_read_again_is_not_written() {
    let long = "k".repeat(70_000);
    let made = seal(&FileKey::unwrapped(&KEY), KeyAlgorithm::Aes256Kw, vec![1], Cipher::AesGcm, &long);
    assert_eq!(made.err(), Some(Error::HeaderTooLong));
}

proptest! {
    #[test]
    fn what_is_sealed_is_opened(length in 0..200_000_usize, piece in 1..70_000_usize) {
        let sealed = document(length, Cipher::ChaCha20Poly1305);
        prop_assert!(open(&sealed, piece) == (plaintext(length).to_vec(), Ok(())));
    }

    /// Whatever is done to a document, only a beginning of its plaintext comes out, and an error unless it is whole.
    #[test]
    fn a_spoilt_document_gives_no_wrong_byte(
        start in 0..140_000_usize, gone in 0..70_000_usize, put in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let length = SEGMENT + 5000;
        let mut sealed = document(length, Cipher::AesGcm);
        let whole = sealed.clone();
        let start = start.min(sealed.len());
        let end = (start + gone).min(sealed.len());
        sealed.splice(start..end, put);
        // Cutting all segments off makes a valid empty document: the format cannot tell.
        prop_assume!(sealed != whole && sealed != whole[..header_length(&whole)]);
        let (out, result) = open(&sealed, 5000);
        prop_assert!(result.is_err());
        prop_assert!(plaintext(length).starts_with(&out));
    }
}
