use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use publish::{Coverage, Durability, Error, Input, ManifestDraft, Overwrite, StageOptions, Staged, Status, inspect};

use crate::product::{Shape, build, draft, generation, names, publish};

#[test]
fn nothing_has_the_name_until_the_commit_and_nothing_else_is_left_after_it() {
    for shape in [Shape::Directory, Shape::File] {
        let work = tempfile::tempdir().expect("temporary folder");
        let target = work.path().join("a.ms");
        let staged = Staged::create(&target, &StageOptions::default()).expect("create");
        build(staged.path(), shape, "one").expect("build");
        assert_eq!(inspect(&target).expect("inspect"), Status::Absent);
        assert!(matches!(inspect(staged.path()).expect("inspect"), Status::Temporary { owner: Some(_), .. }));
        staged.commit(draft()).expect("commit");
        assert_eq!(generation(&target, shape).as_deref(), Some("one"));
        let expected: &[&str] = if shape == Shape::File { &[".a.ms.product.json", "a.ms"] } else { &["a.ms"] };
        assert_eq!(names(work.path()), expected);
    }
}

#[test]
fn dropped_or_discarded_it_leaves_nothing() {
    let work = tempfile::tempdir().expect("temporary folder");
    let target = work.path().join("a.ms");
    for discard in [false, true] {
        let staged = Staged::create(&target, &StageOptions::default()).expect("create");
        build(staged.path(), Shape::Directory, "one").expect("build");
        if discard {
            staged.discard().expect("discard");
        } else {
            drop(staged);
        }
        assert!(names(work.path()).is_empty());
    }
}

#[test]
fn an_existing_name_is_refused_at_the_start_and_at_the_end() {
    for shape in [Shape::Directory, Shape::File] {
        let work = tempfile::tempdir().expect("temporary folder");
        let target = work.path().join("a");
        let late = Staged::create(&target, &StageOptions::default()).expect("create");
        publish(&target, shape, "first", Overwrite::Refuse).expect("publish");
        let early = Staged::create(&target, &StageOptions::default());
        assert!(matches!(early, Err(Error::TargetExists { path }) if path.ends_with("a")));
        build(late.path(), shape, "late").expect("build");
        assert!(matches!(late.commit(draft()), Err(Error::TargetExists { .. })));
        assert_eq!(generation(&target, shape).as_deref(), Some("first"));
        assert!(matches!(inspect(&target).expect("inspect"), Status::Complete(_)), "also its manifest is untouched");
    }
}

#[test]
fn replacing_takes_only_what_has_a_manifest() {
    let work = tempfile::tempdir().expect("temporary folder");
    let target = work.path().join("a.ms");
    let elsewhere = work.path().join("precious");
    build(&elsewhere, Shape::Directory, "precious").expect("build");

    build(&target, Shape::Directory, "foreign").expect("build");
    let refused = publish(&target, Shape::Directory, "new", Overwrite::Replace);
    assert!(matches!(refused, Err(Error::TargetForeign { .. })));
    assert_eq!(generation(&target, Shape::Directory).as_deref(), Some("foreign"));

    publish(&target, Shape::Directory, "one", Overwrite::ReplaceForeign).expect("asked for");
    publish(&target, Shape::Directory, "two", Overwrite::Replace).expect("it has a manifest now");
    assert_eq!(generation(&target, Shape::Directory).as_deref(), Some("two"));
    fs::remove_file(target.join("FIELD/table.f0")).expect("damage");
    publish(&target, Shape::Directory, "three", Overwrite::Replace).expect("a damaged product is replaced");
    assert_eq!(generation(&target, Shape::Directory).as_deref(), Some("three"));

    let link = work.path().join("link.ms");
    symlink(&elsewhere, &link).expect("link");
    let refused = publish(&link, Shape::Directory, "new", Overwrite::ReplaceForeign);
    assert!(matches!(refused, Err(Error::TargetForeign { .. })));
    assert_eq!(generation(&elsewhere, Shape::Directory).as_deref(), Some("precious"));
    assert_eq!(names(work.path()), ["a.ms", "link.ms", "precious"]);
}

#[test]
fn what_is_not_a_product_is_not_published() {
    let work = tempfile::tempdir().expect("temporary folder");
    let target = work.path().join("a.ms");
    let create = || Staged::create(&target, &StageOptions::default()).expect("create");

    assert!(matches!(create().commit(draft()), Err(Error::NothingBuilt { .. })));

    let staged = create();
    fs::create_dir(staged.path()).expect("mkdir");
    assert!(matches!(staged.commit(draft()), Err(Error::NothingBuilt { .. })));

    let staged = create();
    build(staged.path(), Shape::Directory, "one").expect("build");
    symlink("/etc/passwd", staged.path().join("FIELD/out")).expect("link");
    let error = staged.commit(draft()).expect_err("a link leads out");
    assert!(matches!(&error, Error::UnsupportedEntry { path, .. } if path.ends_with("FIELD/out")), "{error}");

    assert!(names(work.path()).is_empty());
}

#[test]
fn names_that_cannot_be_are_refused() {
    let work = tempfile::tempdir().expect("temporary folder");
    for bad in ["..", "a\nb", ".a.ms.tmp-0123456789abcdef-1", "owner.json", &"x".repeat(220)] {
        let result = Staged::create(&work.path().join(bad), &StageOptions::default());
        assert!(matches!(result, Err(Error::InvalidName { .. })), "{bad}");
    }
    let result = Staged::create(&work.path().join("none/a.ms"), &StageOptions::default());
    assert!(matches!(result, Err(Error::ParentMissing { path }) if path.ends_with("none")));
    assert!(Staged::create(&work.path().join("trailing.ms/"), &StageOptions::default()).is_ok());
}

#[test]
fn the_manifest_tells_what_it_was_made_from_by_relative_paths() {
    let work = tempfile::tempdir().expect("temporary folder");
    fs::create_dir_all(work.path().join("in")).expect("mkdir");
    fs::create_dir_all(work.path().join("out")).expect("mkdir");
    let input = work.path().join("in/sb00.hdf5");
    fs::write(&input, "subband").expect("write");
    let target = work.path().join("out/a.ms");
    let make_draft = |input: &Path| ManifestDraft {
        options: publish::Value::from(vec![1, 2]),
        inputs: vec![Input::stat(input).expect("stat").with_digest(Coverage::Full).expect("digest")],
        ..draft()
    };
    let options = StageOptions { durability: Durability::EachFile, coverage: Coverage::Full, ..Default::default() };
    let staged = Staged::create(&target, &options).expect("create");
    build(staged.path(), Shape::Directory, "one").expect("build");
    let manifest = staged.commit(make_draft(&input)).expect("commit");

    assert_eq!(manifest.inputs[0].path, "../in/sb00.hdf5");
    assert_eq!(manifest.inputs[0].bytes, 7);
    let files: Vec<&str> = manifest.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(files, ["FIELD/table.f0", "table.dat"], "neither the manifest nor the volatile lock file");
    assert_eq!(manifest.bytes(), 5014);
    assert!(manifest.was_made_from(&make_draft(&input), &target).expect("compare"));
    fs::write(&input, "another subband").expect("write");
    assert!(!manifest.was_made_from(&make_draft(&input), &target).expect("compare"));
}
