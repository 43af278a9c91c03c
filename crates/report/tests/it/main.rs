//! Pages through the public interface.

use report::{Axis, Cell, Error, HeatMap, Page, Picture, Plot, SkyMap, Span, Status, Stretch, Table, Timeline};

const HOSTILE: &str = "<script>alert(1)</script>\"'&\u{7}";

/// A page on which every text is hostile.
fn hostile_page() -> Page {
    let mut page = Page::new(HOSTILE);
    let mut table = Table::new(HOSTILE, [HOSTILE]);
    table.row([Cell::from(HOSTILE).status(Status::Bad)]);
    page.section(HOSTILE).text(HOSTILE).note(Status::Warning, HOSTILE).facts([(HOSTILE, HOSTILE)]);
    page.listing(HOSTILE, HOSTILE).table(&table);
    let axis = || Axis::new(HOSTILE, HOSTILE);
    let plot = Plot::new(HOSTILE, Axis::of(HOSTILE, [HOSTILE, "b"]), axis())
        .line(HOSTILE, [(0.0, 1.0)])
        .points(HOSTILE, [(0.0, 1.0)])
        .bars(HOSTILE, [(1.0, 1.0)])
        .limit(HOSTILE, 0.5, Status::Bad);
    page.plot(&plot);
    page.heat_map(&HeatMap::new(HOSTILE, (axis(), axis(), axis()), 1, 1, &[1.0]).expect("because it is filled"));
    let span = Span { from: 0.0, to: 1.0, kind: HOSTILE.into(), status: Status::Bad, note: HOSTILE.into() };
    page.timeline(&Timeline::new(HOSTILE, axis()).lane(HOSTILE, [span]));
    page.sky_map(&SkyMap::new(HOSTILE).field(HOSTILE, [(1.0, 2.0), (2.0, 3.0)], Status::Bad).source(HOSTILE, 1.5, 2.5));
    let picture = Picture::grey(HOSTILE, 1, 1, &[1.0], Stretch::Zscale).expect("because it is filled").caption(HOSTILE);
    page.gallery([&picture]);
    page
}

#[test]
fn no_text_becomes_markup() {
    let html = hostile_page().to_html();
    assert!(!html.contains("<script") && !html.contains("alert(1)</") && !html.contains('\u{7}'));
    assert!(html.matches("&lt;script&gt;").count() > 25);
}

#[test]
fn tags_are_closed_in_order() {
    let html = hostile_page().to_html();
    let mut open: Vec<&str> = Vec::new();
    for tag in html.split('<').skip(2).filter_map(|part| part.split_once('>').map(|(tag, _)| tag)) {
        let name =
            tag.trim_start_matches('/').split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
        match (tag.starts_with('/'), tag.ends_with('/') || ["meta", "br", "img"].contains(&name)) {
            (true, _) => assert_eq!(open.pop(), Some(name), "…{tag}"),
            (false, true) => {}
            (false, false) => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn nothing_is_fetched() {
    let html = hostile_page().to_html();
    for word in ["http:", "https:", "src=\"//", "url(", "@import", "<link", "<iframe"] {
        assert!(!html.contains(word), "{word}");
    }
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn numbers_that_are_none_draw_nothing() {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -1.0, 1e308, -1e308];
    for axis in [Axis::new("y", ""), Axis::new("y", "").logarithmic(), Axis::new("y", "").range(1.0, 1.0)] {
        let pairs = odd.iter().flat_map(|&x| odd.map(|y| (x, y)));
        let plot = Plot::new("odd", Axis::new("x", ""), axis)
            .line("l", pairs.clone())
            .points("p", pairs.clone())
            .bars("b", pairs);
        let mut page = Page::new("odd");
        page.plot(&plot);
        let html = page.to_html();
        assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
    }
    let empty = Plot::new("empty", Axis::new("x", ""), Axis::new("y", ""));
    let mut page = Page::new("empty");
    page.plot(&empty).sky_map(&SkyMap::new("empty")).timeline(&Timeline::new("empty", Axis::new("t", "s")));
    assert!(!page.to_html().contains("NaN"));
}

#[test]
fn a_long_line_stays_short() {
    let spike = 500_000;
    let points = (0..1_000_000).map(|i| (f64::from(i), if i == spike { 100.0 } else { f64::from(i % 10) }));
    let mut page = Page::new("long");
    page.plot(&Plot::new("long", Axis::new("x", ""), Axis::new("y", "")).line("l", points));
    let html = page.to_html();
    assert!(html.len() < 100_000, "{}", html.len());
    // The one spike among a million values is there: it reaches nearly up to the top of the plot.
    let path = html.split("class=\"line s0\" d=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a line");
    let heights = path.split(['M', 'L']).filter_map(|place| place.split(' ').nth(1)?.parse::<f64>().ok());
    assert!(heights.fold(f64::INFINITY, f64::min) < 30.0);
}

#[test]
fn fields_on_both_sides_of_0_h_stay_together() {
    let outline = |ra: f64| {
        [(ra - 1.0, 10.0), (ra + 1.0, 10.0), (ra + 1.0, 12.0), (ra - 1.0, 12.0)]
            .map(|(r, d): (f64, f64)| (r.rem_euclid(360.0), d))
    };
    let map = SkyMap::new("wrap").field("a", outline(359.5), Status::Good).field("b", outline(0.8), Status::Good);
    let mut page = Page::new("wrap");
    page.sky_map(&map);
    let html = page.to_html();
    assert!(html.contains(">0</text>") && html.contains(">359</text>"), "{html}");
    assert!(!html.contains(">180</text>"));
}

#[test]
fn a_page_is_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("because a temporary folder can be made");
    let path = folder.path().join("page.html");
    Page::new("one").write(&path).expect("because the folder is ours");
    Page::new("two").write(&path).expect("because the folder is ours");
    assert!(std::fs::read_to_string(&path).expect("because it was written").contains("<h1>two</h1>"));
    assert_eq!(std::fs::read_dir(folder.path()).expect("because it is ours").count(), 1);
    let nowhere = folder.path().join("absent/page.html");
    assert!(matches!(Page::new("x").write(nowhere), Err(Error::Write { .. })));
}

#[test]
fn what_cannot_be_given_its_name_leaves_nothing() {
    let folder = tempfile::tempdir().expect("because a temporary folder can be made");
    let taken = folder.path().join("page.html");
    std::fs::create_dir(&taken).expect("because the folder is ours");
    std::fs::write(taken.join("x"), "").expect("because the folder is ours");
    assert!(matches!(Page::new("x").write(&taken), Err(Error::Write { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).expect("because it is ours").count(), 1);
}

#[test]
fn anybody_whom_the_system_lets_may_read_a_page() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("because a temporary folder can be made");
    let mode = |name: &str| {
        let metadata = std::fs::metadata(folder.path().join(name)).expect("because it was written");
        metadata.permissions().mode() & 0o777
    };
    std::fs::write(folder.path().join("plain"), "").expect("because the folder is ours");
    Page::new("x").write(folder.path().join("page.html")).expect("because the folder is ours");
    assert_eq!(mode("page.html"), mode("plain"));
}

#[test]
fn sources_without_a_field_have_a_map_too() {
    let mut page = Page::new("sources");
    page.sky_map(&SkyMap::new("sources").source("3C147", 85.65, 49.85).source("near", 85.9, 49.7));
    let html = page.to_html();
    assert_eq!(html.matches("class=\"source\"").count(), 2, "{html}");
}

#[test]
fn a_matrix_must_be_filled() {
    let axis = || Axis::new("x", "");
    let map = HeatMap::new("m", (axis(), axis(), axis()), 2, 2, &[1.0, 2.0, 3.0]);
    assert!(matches!(map, Err(Error::Shape { found: 3, .. })));
}
