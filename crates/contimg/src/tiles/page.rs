//! One HTML file with everything about some tiles: it loads nothing from anywhere.

use fits_header_cache::Pixels;
use report::{Axis, Cell, Page, Picture, Plot, Point, SkyMap, Status, Stretch, Table};
use tile_validate::{Facts, FitsCache, Report, Rules, Severity, Tile, Verdict};

use super::{counts, name};

/// Pixels along each side of a picture of a tile.
const PICTURE: u64 = 160;
/// Pictures at most: those of failing tiles, by name.
const PICTURES: usize = 48;

pub(super) fn page(report: &Report, rules: &Rules, cache: &FitsCache) -> Page {
    let mut page = Page::new(format!("{} tiles", report.tiles.len()));
    let [pass, warn, fail] = counts(report);
    let status = if fail > 0 {
        Status::Bad
    } else if warn > 0 {
        Status::Warning
    } else {
        Status::Good
    };
    page.note(status, &format!("{pass} pass, {warn} with warnings, {fail} fail."));
    page.section("On the sky");
    footprints(&mut page, report);
    page.section("Noise");
    let noise = |t: &Tile| t.noise_jy.map(|n| n * 1e3);
    plot(&mut page, report, ("Noise of the tiles by time", "noise", "mJy/beam"), &[("noise", &noise)]);
    page.section("Beam");
    let major = |t: &Tile| t.beam.map(|b| b.major_arcsec);
    let minor = |t: &Tile| t.beam.map(|b| b.minor_arcsec);
    let axes = [("major", &major as Value<'_>), ("minor", &minor)];
    plot(&mut page, report, ("Beam of the tiles by time", "beam", "arcseconds"), &axes);
    page.section("Findings");
    findings(&mut page, report);
    pictures(&mut page, report, cache);
    table(&mut page, report);
    page.section("Rules").listing("thresholds", &toml::to_string(rules).unwrap_or_default());
    page
}

fn status(verdict: Verdict) -> Status {
    match verdict {
        Verdict::Pass => Status::Good,
        Verdict::Warn => Status::Warning,
        Verdict::Fail => Status::Bad,
    }
}

/// The outlines, east to the left, on whatever side of 0 h they are.
pub(crate) fn footprints(page: &mut Page, report: &Report) {
    let mut map = SkyMap::new("Footprints of the tiles");
    let mut placed = 0;
    for facts in &report.tiles {
        let Some(grid) = facts.tile.as_deref().ok().and_then(|t| t.grid.as_ref()) else { continue };
        if grid.corners_deg.len() == 4 {
            let [ra, dec] = grid.centre_deg;
            let told = format!("{} at {ra:.3}, {dec:.3}", name(&facts.path));
            map = map.field(told, grid.corners_deg.iter().map(|c| (c[0], c[1])), status(report.verdict(facts)));
            placed += 1;
        }
    }
    if placed == 0 {
        page.text("No tile has a place on the sky.");
    } else {
        page.sky_map(&map);
    }
}

type Value<'a> = &'a dyn Fn(&Tile) -> Option<f64>;

/// Values of the tiles in the order of their times, from zero; `(title, quantity, unit)`. Tiles that pass have their series' colour.
fn plot(page: &mut Page, report: &Report, (title, quantity, unit): (&str, &str, &str), series: &[(&str, Value<'_>)]) {
    let order = report.chronological();
    let points = |value: Value<'_>| -> Vec<Point> {
        let of = |(x, i): (usize, &usize)| {
            let facts = &report.tiles[*i];
            let y = value(facts.tile.as_deref().ok()?).filter(|v| v.is_finite())?;
            let status = match report.verdict(facts) {
                Verdict::Pass => Status::Plain,
                verdict => status(verdict),
            };
            Some(Point { x: x as f64, y, name: name(&facts.path), status })
        };
        order.iter().enumerate().filter_map(of).collect()
    };
    let series: Vec<_> = series.iter().map(|(label, value)| (*label, points(*value))).collect();
    let most = series.iter().flat_map(|(_, points)| points).map(|p| p.y).fold(0.0, f64::max);
    if most <= 0.0 {
        page.text("Nothing to show.");
        return;
    }
    let x = Axis::new("tiles by time", "").range(-0.5, order.len() as f64 - 0.5);
    let plot = Plot::new(title, x, Axis::new(quantity, unit).range(0.0, 1.1 * most));
    page.plot(&series.into_iter().fold(plot, |plot, (label, points)| plot.points(label, points)));
}

pub(crate) fn findings(page: &mut Page, report: &Report) {
    if report.findings.is_empty() {
        page.text("None.");
        return;
    }
    let mut table = Table::new("All findings", ["tile", "rule", "value", "limit", "what"]);
    for f in &report.findings {
        let how = if f.severity == Severity::Error { Status::Bad } else { Status::Warning };
        table.row([
            Cell::from(name(&f.tile)),
            Cell::from(f.rule.name()).status(how),
            f.value.into(),
            f.limit.into(),
            Cell::from(f.message.as_str()),
        ]);
    }
    page.table(&table);
}

fn pictures(page: &mut Page, report: &Report, cache: &FitsCache) {
    let mut failing: Vec<&Facts> =
        report.tiles.iter().filter(|t| report.verdict(t) == Verdict::Fail && t.tile.is_ok()).collect();
    if failing.is_empty() {
        return;
    }
    failing.sort_by(|a, b| a.path.cmp(&b.path));
    page.section("Failing tiles");
    let (mut shown, mut without) = (Vec::new(), Vec::new());
    for facts in failing.iter().take(PICTURES) {
        match picture(facts, cache) {
            Some(picture) => shown.push(picture),
            None => without.push(name(&facts.path)),
        }
    }
    page.gallery(&shown);
    if !without.is_empty() {
        page.text(&format!("No picture of {}.", without.join(", ")));
    }
    if failing.len() > PICTURES {
        page.text(&format!("and {} more", failing.len() - PICTURES));
    }
}

/// From three times the noise below zero to ten times above it, so that pictures can be compared.
pub(crate) fn picture(facts: &Facts, cache: &FitsCache) -> Option<Picture> {
    let file = cache.file(&facts.path).ok()?;
    let preview = Pixels::of(&file, file.image().ok()?).ok()?.preview(PICTURE).ok()?;
    let noise = facts.tile.as_deref().ok()?.noise_jy.filter(|n| *n > 0.0).unwrap_or(1.0) as f32;
    let stretch = Stretch::Between(-3.0 * noise, 10.0 * noise);
    Picture::grey(name(&facts.path), preview.width, preview.height, &preview.values, stretch).ok()
}

fn table(page: &mut Page, report: &Report) {
    let columns = ["tile", "verdict", "RA (degrees)", "Dec (degrees)", "noise (mJy/beam)", "range", "beam", "finite"];
    let mut table = Table::new("Tiles by time", columns);
    for i in report.chronological() {
        let facts = &report.tiles[i];
        let tile = facts.tile.as_deref().ok();
        let centre = tile.and_then(|t| t.grid.as_ref()).map(|g| g.centre_deg);
        let beam = tile.and_then(|t| t.beam).map(|b| format!("{:.1}\" × {:.1}\"", b.major_arcsec, b.minor_arcsec));
        let verdict = report.verdict(facts);
        let word = match verdict {
            Verdict::Pass => "pass",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        };
        table.row([
            Cell::from(name(&facts.path)),
            Cell::from(word).status(status(verdict)),
            centre.map(|c| format!("{:.4}", c[0])).into(),
            centre.map(|c| format!("{:.4}", c[1])).into(),
            tile.and_then(|t| t.noise_jy).map(|n| n * 1e3).into(),
            tile.and_then(Tile::dynamic_range).into(),
            Cell::from(beam.unwrap_or_default()),
            tile.map(|t| t.finite_fraction).into(),
        ]);
    }
    page.section("All tiles").table(&table);
}
