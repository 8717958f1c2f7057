//! Bundles in files: what is written, who may read it, and what a crash between any two steps leaves.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::store::turned_link::{LINK, Step};

fn names(folder: &Path) -> FileNames {
    let name = |part: Part| PathBuf::from(part.usual_name());
    FileNames {
        folder: folder.to_owned(),
        anchors: name(Part::Anchors),
        issuer_certificate: name(Part::IssuerCertificate),
        issuer_key: name(Part::IssuerKey),
        token_key: name(Part::TokenKey),
        token_key_set: name(Part::TokenKeySet),
    }
}

fn contents(parts: &[Part], text: &str) -> Contents {
    let mut contents = Contents::default();
    for part in parts {
        contents.set(*part, format!("{} {text}", part.usual_name()));
    }
    contents
}

const FIRST: &[Part] = &[Part::Anchors, Part::IssuerCertificate, Part::IssuerKey];
const MORE: &[Part] =
    &[Part::Anchors, Part::IssuerCertificate, Part::IssuerKey, Part::NextCertificate, Part::NextKey, Part::Rotation];

fn put(names: &FileNames, wanted: &Contents) {
    let wanted = wanted.clone();
    update(names, Box::new(move |_| Ok(Some(wanted.clone())))).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_new_bundle_is_plain_files_that_only_the_owner_reads() {
    let folder = tempfile::tempdir().unwrap();
    let names = names(folder.path());
    put(&names, &contents(FIRST, "1"));
    assert_eq!(read(&names).unwrap(), contents(FIRST, "1"));
    let mut found: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
    found.sort_by_key(fs::DirEntry::file_name);
    assert_eq!(found.len(), 3, "nothing else lies about: {found:?}");
    for entry in found {
        assert!(entry.file_type().unwrap().is_file());
        assert_eq!(mode(&entry.path()), 0o600);
    }
}

#[test]
fn a_change_that_changes_nothing_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let names = names(folder.path());
    update(&names, Box::new(|_| Ok(None))).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let error = update(&names, Box::new(|_| Err("no".to_owned()))).unwrap_err();
    assert_eq!(error.to_string(), "no");
}

#[test]
fn replaced_texts_stay_readable_to_whom_they_were_and_keys_to_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let names = names(folder.path());
    put(&names, &contents(FIRST, "1"));
    fs::set_permissions(names.path(Part::Anchors), std::fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(names.path(Part::IssuerKey), std::fs::Permissions::from_mode(0o644)).unwrap();
    put(&names, &contents(MORE, "2"));
    put(&names, &contents(FIRST, "3"));
    assert_eq!(read(&names).unwrap(), contents(FIRST, "3"));
    assert_eq!(mode(&names.path(Part::Anchors)), 0o644);
    assert_eq!(mode(&names.path(Part::IssuerKey)), 0o600);
    let folders = fs::read_dir(folder.path()).unwrap().flatten().filter(|entry| entry.file_type().unwrap().is_dir());
    assert_eq!(folders.count(), 1, "old keys do not stay");
}

#[test]
fn a_file_elsewhere_is_part_of_the_same_moment() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut names = names(folder.path());
    names.anchors = elsewhere.path().join("roots.pem");
    put(&names, &contents(FIRST, "1"));
    assert!(names.path(Part::Anchors).starts_with(elsewhere.path()));
    put(&names, &contents(FIRST, "2"));
    assert_eq!(fs::read_to_string(elsewhere.path().join("roots.pem")).unwrap(), "ca.crt 2");
}

#[test]
fn a_file_that_somebody_replaced_is_taken_in_again() {
    let folder = tempfile::tempdir().unwrap();
    let names = names(folder.path());
    put(&names, &contents(FIRST, "1"));
    put(&names, &contents(FIRST, "2"));
    fs::remove_file(names.path(Part::Anchors)).unwrap();
    fs::write(names.path(Part::Anchors), "theirs").unwrap();
    assert_eq!(read(&names).unwrap().get(Part::Anchors), Some(&b"theirs"[..]));
    put(&names, &contents(MORE, "3"));
    assert_eq!(read(&names).unwrap(), contents(MORE, "3"));
}

/// Every way a crash can cut a replacement short leaves the old texts or the new ones.
#[test]
fn after_any_step_the_bundle_is_the_old_one_or_the_new_one() {
    for (old_parts, new_parts, links_before) in
        [(FIRST, MORE, false), (MORE, FIRST, false), (FIRST, MORE, true), (MORE, FIRST, true), (MORE, MORE, true)]
    {
        let (old, new) = (contents(old_parts, "old"), contents(new_parts, "new"));
        let mut cut = 0;
        loop {
            let folder = tempfile::tempdir().unwrap();
            let names = names(folder.path());
            put(&names, &contents(old_parts, "older"));
            if links_before {
                put(&names, &old);
            } else {
                for (part, text) in old.iter() {
                    fs::write(names.path(part), text).unwrap();
                }
            }
            let steps = TurnedLink::new(&names).steps(&old, &new);
            for step in steps.iter().take(cut) {
                step.take().unwrap();
            }
            let found = read(&names).unwrap();
            assert!(found == old || found == new, "after {cut} of {} steps: {found:?}", steps.len());
            assert_eq!(found == new, cut >= turned_after(&steps), "{cut} steps");
            // The next start goes on from there.
            put(&names, &new);
            assert_eq!(read(&names).unwrap(), new);
            if cut == steps.len() {
                break;
            }
            cut += 1;
        }
    }
}

/// How many steps it takes until the link points to the new texts.
fn turned_after(steps: &[Step]) -> usize {
    let is_turn = |step: &Step| matches!(step, Step::Link { path, .. } if path.ends_with(LINK));
    steps.iter().rposition(is_turn).unwrap() + 1
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let error = FileStore::open(names(Path::new("/nowhere/at/all"))).err().unwrap();
    assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
}

#[tokio::test]
async fn two_that_change_at_once_do_not_lose_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let names = names(folder.path());
    put(&names, &contents(FIRST, "0"));
    let count = |contents: &Contents| contents.get(Part::Rotation).map_or(0, <[u8]>::len);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let names = names.clone();
            std::thread::spawn(move || {
                for _ in 0..10 {
                    let longer = move |old: &Contents| {
                        let mut new = old.clone();
                        new.set(Part::Rotation, vec![b'x'; count(old) + 1]);
                        Ok(Some(new))
                    };
                    update(&names, Box::new(longer)).unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(count(&read(&names).unwrap()), 40);
}
