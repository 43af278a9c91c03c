use std::path::PathBuf;

use tile_validate::{FitsCache, Input, Rules, validate};

use crate::tile::{clean, found, judge, rules};

#[test]
fn any_order_gives_the_same_findings() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut tiles = clean();
    tiles[0].noise = 2e-2;
    tiles[1] = tiles[1].clone().without("BMAJ");
    tiles[2].beam = None;
    tiles[3] = tiles[3].clone().with("CDELT1", "-1.5E-2");
    tiles[4].side = [48, 48];
    let paths: Vec<PathBuf> = tiles.iter().map(|tile| tile.write(folder.path())).collect();
    let cache = FitsCache::default();
    let judge = |paths: &[PathBuf]| validate(&Input::of(paths), &rules(), &cache, &|_| {}).expect("a report");
    let expected = judge(&paths);
    assert!(expected.findings.len() >= 5, "{:?}", found(&expected));
    let mut state = 12345u64;
    for _ in 0..40 {
        let mut shuffled = paths.clone();
        for i in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(i, (state >> 33) as usize % (i + 1));
        }
        let report = judge(&shuffled);
        assert_eq!(report.findings, expected.findings, "{shuffled:?}");
        let names = |r: &tile_validate::Report| -> Vec<PathBuf> {
            r.chronological().into_iter().map(|i| r.tiles[i].path.clone()).collect()
        };
        assert_eq!(names(&report), names(&expected));
    }
}

#[test]
fn the_order_given_is_judged_only_when_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut tiles = clean();
    tiles.swap(1, 2);
    assert!(judge(folder.path(), &tiles, &rules()).findings.is_empty());
    let asked = Rules { check_order: true, ..rules() };
    assert_eq!(found(&judge(folder.path(), &tiles, &asked)), ["t01: order"]);
}
