//! Progress on stderr: a bar for people, nothing for a log file.

use std::{borrow::Cow, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over `total` steps. It shows on a terminal only.
pub(crate) fn bar(total: u64, what: impl Into<Cow<'static, str>>, quiet: bool) -> ProgressBar {
    let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(10) };
    let style = ProgressStyle::with_template("{msg:32!} {wide_bar} {percent:>3} % {elapsed} < {eta}")
        .expect("because the template is a constant that the demo shows");
    let bar = ProgressBar::with_draw_target(Some(total), target).with_style(style).with_message(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
