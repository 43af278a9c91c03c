//! One HTML file with everything about some tiles: it loads nothing from anywhere.

use std::{fmt::Write, path::Path};

use fits_header_cache::Pixels;
use tile_validate::{Facts, FitsCache, Report, Rules, Severity, Verdict};

use super::name;

/// Pixels along each side of a picture of a tile.
const PICTURE: u64 = 160;
/// Pictures at most: those of failing tiles, by name.
const PICTURES: usize = 48;
/// Size of a plot, px.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 260.0;

const STYLE: &str = "body{font:14px/1.4 system-ui,sans-serif;margin:2em auto;max-width:1000px;padding:0 1em;color:#222}\
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ddd;padding:2px 8px;text-align:left;vertical-align:top}\
td.n{text-align:right;font-variant-numeric:tabular-nums}.pass{color:#1a7f37}.warn{color:#9a6700}.fail{color:#cf222e;font-weight:600}\
svg{max-width:100%;background:#fafafa;border:1px solid #ddd}figure{display:inline-block;margin:6px}figcaption{font-size:12px;max-width:170px;word-wrap:break-word}\
img{image-rendering:pixelated;border:1px solid #ccc}";

pub(super) fn html(report: &Report, rules: &Rules, cache: &FitsCache) -> String {
    let mut page = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut page, report, rules, cache);
    page
}

fn write(page: &mut String, report: &Report, rules: &Rules, cache: &FitsCache) -> std::fmt::Result {
    let count = |verdict| report.tiles.iter().filter(|t| report.verdict(t) == verdict).count();
    write!(page, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Tiles</title>")?;
    write!(page, "<style>{STYLE}</style></head><body><h1>{} tiles</h1>", report.tiles.len())?;
    write!(
        page,
        "<p><span class=\"pass\">{} pass</span>, <span class=\"warn\">{} with warnings</span>, \
         <span class=\"fail\">{} fail</span>.</p>",
        count(Verdict::Pass),
        count(Verdict::Warn),
        count(Verdict::Fail)
    )?;
    write!(page, "<h2>On the sky</h2>{}", footprints(report))?;
    let noise = |t: &Facts| t.tile.as_deref().ok()?.noise_jy.map(|n| n * 1e3);
    write!(page, "<h2>Noise</h2>{}", plot(report, "noise, mJy/beam", &[("noise", &noise)]))?;
    let major = |t: &Facts| t.tile.as_deref().ok()?.beam.map(|b| b.major_arcsec);
    let minor = |t: &Facts| t.tile.as_deref().ok()?.beam.map(|b| b.minor_arcsec);
    write!(page, "<h2>Beam</h2>{}", plot(report, "beam, arcseconds", &[("major", &major), ("minor", &minor)]))?;
    findings(page, report)?;
    pictures(page, report, cache)?;
    table(page, report)?;
    let text = toml::to_string(rules).unwrap_or_default();
    write!(page, "<h2>Rules</h2><details><summary>thresholds</summary><pre>{}</pre></details>", escape(&text))?;
    writeln!(page, "</body></html>")
}

/// Text from files, made harmless.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\'' => safe += "&#39;",
            c if c.is_control() && c != '\n' => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Warn => "warn",
        Verdict::Fail => "fail",
    }
}

fn colour(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "#1a7f37",
        Verdict::Warn => "#bf8700",
        Verdict::Fail => "#cf222e",
    }
}

/// The outlines about their middle: right ascension to the left, whatever side of 0 h they are on.
fn footprints(report: &Report) -> String {
    let grids: Vec<_> = report
        .tiles
        .iter()
        .filter_map(|facts| Some((facts, facts.tile.as_deref().ok()?.grid.as_ref()?)))
        .filter(|(_, grid)| grid.corners_deg.len() == 4)
        .collect();
    // The circular mean, so that 359° and 1° have 0° between them.
    let (mut sin, mut cos, mut lat) = (0.0, 0.0, 0.0);
    for (_, grid) in &grids {
        let lon = grid.centre_deg[0].to_radians();
        (sin, cos, lat) = (sin + lon.sin(), cos + lon.cos(), lat + grid.centre_deg[1]);
    }
    if grids.is_empty() {
        return "<p>No tile has a place on the sky.</p>".to_owned();
    }
    let (lon0, lat0) = (sin.atan2(cos).to_degrees(), lat / grids.len() as f64);
    let place = |p: &[f64; 2]| {
        let lon = (p[0] - lon0 + 540.0).rem_euclid(360.0) - 180.0;
        [-lon * lat0.to_radians().cos(), -(p[1] - lat0)]
    };
    let outlines: Vec<Vec<[f64; 2]>> = grids.iter().map(|(_, g)| g.corners_deg.iter().map(place).collect()).collect();
    let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for p in outlines.iter().flatten() {
        for axis in [0, 1] {
            (low[axis], high[axis]) = (low[axis].min(p[axis]), high[axis].max(p[axis]));
        }
    }
    let extent = (high[0] - low[0]).max(2.0 * (high[1] - low[1])).max(1e-6);
    let scale = (WIDTH - 40.0) / extent;
    let height = (high[1] - low[1]) * scale + 40.0;
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" role=\"img\">");
    for ((facts, grid), outline) in grids.iter().zip(&outlines) {
        let points: Vec<String> = outline
            .iter()
            .map(|p| format!("{:.1},{:.1}", 20.0 + (p[0] - low[0]) * scale, 20.0 + (p[1] - low[1]) * scale))
            .collect();
        let colour = colour(report.verdict(facts));
        let _ = write!(
            svg,
            "<polygon points=\"{}\" fill=\"{colour}\" fill-opacity=\"0.12\" stroke=\"{colour}\"><title>{} at {:.3}, {:.3}</title></polygon>",
            points.join(" "),
            escape(&name(&facts.path)),
            grid.centre_deg[0],
            grid.centre_deg[1]
        );
    }
    svg + "</svg><p>East is to the left, north up.</p>"
}

type Value<'a> = &'a dyn Fn(&Facts) -> Option<f64>;

/// Values of the tiles in the order of their times.
fn plot(report: &Report, label: &str, series: &[(&str, Value<'_>)]) -> String {
    let order = report.chronological();
    let values: Vec<Vec<(usize, f64, Verdict)>> = series
        .iter()
        .map(|(_, value)| {
            let of = |(x, i): (usize, &usize)| {
                let facts = &report.tiles[*i];
                Some((x, value(facts).filter(|v| v.is_finite())?, report.verdict(facts)))
            };
            order.iter().enumerate().filter_map(of).collect()
        })
        .collect();
    let most = values.iter().flatten().map(|(_, v, _)| *v).fold(0.0, f64::max);
    if most <= 0.0 {
        return "<p>Nothing to show.</p>".to_owned();
    }
    let (left, bottom) = (70.0, HEIGHT - 30.0);
    let x = |i: usize| left + (i as f64 + 0.5) * (WIDTH - left - 10.0) / order.len().max(1) as f64;
    let y = |v: f64| bottom - v / (1.1 * most) * (bottom - 15.0);
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" role=\"img\">");
    for tick in 0..=4 {
        let value = most * f64::from(tick) / 4.0;
        let _ = write!(
            svg,
            "<line x1=\"{left}\" x2=\"{WIDTH}\" y1=\"{0:.1}\" y2=\"{0:.1}\" stroke=\"#ddd\"/><text x=\"{1}\" y=\"{2:.1}\" \
             font-size=\"11\" text-anchor=\"end\">{value:.3}</text>",
            y(value),
            left - 6.0,
            y(value) + 4.0
        );
    }
    for (k, list) in values.iter().enumerate() {
        for (i, value, verdict) in list {
            let _ = write!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{}\" stroke=\"{}\"><title>{}: {value:.4}</title></circle>",
                x(*i),
                y(*value),
                if k == 0 { colour(*verdict) } else { "#fff" },
                colour(*verdict),
                escape(&name(&report.tiles[order[*i]].path))
            );
        }
    }
    let names: Vec<&str> = series.iter().map(|(name, _)| *name).collect();
    let legend =
        if names.len() > 1 { format!(": {} filled, {} open", names[0], names[1..].join(", ")) } else { String::new() };
    let _ = write!(
        svg,
        "<text x=\"{left}\" y=\"{}\" font-size=\"12\">{label}{legend}; tiles by time</text></svg>",
        HEIGHT - 8.0
    );
    svg
}

fn findings(page: &mut String, report: &Report) -> std::fmt::Result {
    write!(page, "<h2>Findings</h2>")?;
    if report.findings.is_empty() {
        return write!(page, "<p>None.</p>");
    }
    write!(page, "<table><tr><th>tile<th>rule<th>value<th>limit<th>what</tr>")?;
    let number = |value: Option<f64>| value.map_or(String::new(), |v| format!("{v:.5}"));
    for f in &report.findings {
        let class = if f.severity == Severity::Error { "fail" } else { "warn" };
        write!(
            page,
            "<tr><td>{}<td class=\"{class}\">{}<td class=\"n\">{}<td class=\"n\">{}<td>{}</tr>",
            escape(&name(&f.tile)),
            f.rule,
            number(f.value),
            number(f.limit),
            escape(&f.message)
        )?;
    }
    write!(page, "</table>")
}

fn pictures(page: &mut String, report: &Report, cache: &FitsCache) -> std::fmt::Result {
    let mut failing: Vec<&Facts> =
        report.tiles.iter().filter(|t| report.verdict(t) == Verdict::Fail && t.tile.is_ok()).collect();
    if failing.is_empty() {
        return Ok(());
    }
    failing.sort_by(|a, b| a.path.cmp(&b.path));
    write!(page, "<h2>Failing tiles</h2>")?;
    for facts in failing.iter().take(PICTURES) {
        let caption = escape(&name(&facts.path));
        match picture(&facts.path, facts, cache) {
            Some(data) => write!(
                page,
                "<figure><img width=\"{PICTURE}\" alt=\"{caption}\" src=\"data:image/png;base64,{data}\"><figcaption>{caption}</figcaption></figure>"
            )?,
            None => write!(page, "<figure><figcaption>{caption}: no picture</figcaption></figure>")?,
        }
    }
    if failing.len() > PICTURES {
        write!(page, "<p>and {} more</p>", failing.len() - PICTURES)?;
    }
    Ok(())
}

/// From three times the noise below zero to ten times above it, north up; what is not finite is red.
fn picture(path: &Path, facts: &Facts, cache: &FitsCache) -> Option<String> {
    let file = cache.file(path).ok()?;
    let preview = Pixels::of(&file, file.image().ok()?).ok()?.preview(PICTURE).ok()?;
    let noise = facts.tile.as_deref().ok()?.noise_jy.filter(|n| *n > 0.0).unwrap_or(1.0);
    let (low, high) = (-3.0 * noise, 10.0 * noise);
    let mut rgb = Vec::with_capacity(preview.values.len() * 3);
    for row in preview.values.chunks(preview.width.max(1)).rev() {
        for value in row {
            let v = f64::from(*value);
            let grey = (255.0 * ((v - low) / (high - low)).clamp(0.0, 1.0)) as u8;
            rgb.extend(if v.is_finite() { [grey; 3] } else { [0xa0, 0x30, 0x30] });
        }
    }
    let mut bytes = Vec::new();
    let (width, height) = (u32::try_from(preview.width).ok()?, u32::try_from(preview.height).ok()?);
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().ok()?.write_image_data(&rgb).ok()?;
    Some(base64(&bytes))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let three = [chunk[0], chunk.get(1).copied().unwrap_or(0), chunk.get(2).copied().unwrap_or(0)];
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i)) as usize & 63];
            text.push(if i > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

fn table(page: &mut String, report: &Report) -> std::fmt::Result {
    write!(
        page,
        "<h2>Tiles by time</h2><table><tr><th>tile<th>verdict<th>RA<th>Dec<th>noise, mJy<th>range<th>beam<th>finite</tr>"
    )?;
    for i in report.chronological() {
        let facts = &report.tiles[i];
        let tile = facts.tile.as_deref().ok();
        let number = |value: Option<f64>, digits: usize| value.map_or(String::new(), |v| format!("{v:.digits$}"));
        let centre = tile.and_then(|t| t.grid.as_ref()).map(|g| g.centre_deg);
        let beam = tile.and_then(|t| t.beam).map(|b| format!("{:.1}\" × {:.1}\"", b.major_arcsec, b.minor_arcsec));
        let verdict = report.verdict(facts);
        write!(
            page,
            "<tr><td>{}<td class=\"{1}\">{1}<td class=\"n\">{2}<td class=\"n\">{3}<td class=\"n\">{4}<td class=\"n\">{5}<td>{6}<td class=\"n\">{7}</tr>",
            escape(&name(&facts.path)),
            class(verdict),
            number(centre.map(|c| c[0]), 4),
            number(centre.map(|c| c[1]), 4),
            number(tile.and_then(|t| t.noise_jy).map(|n| n * 1e3), 3),
            number(tile.and_then(tile_validate::Tile::dynamic_range), 1),
            beam.unwrap_or_default(),
            number(tile.map(|t| t.finite_fraction), 4)
        )?;
    }
    write!(page, "</table>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_the_standard() {
        // RFC 4648, section 10.
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn text_from_files_is_harmless() {
        assert_eq!(escape("<script>'\"&\u{1b}"), "&lt;script&gt;&#39;&quot;&amp;\u{fffd}");
    }
}
