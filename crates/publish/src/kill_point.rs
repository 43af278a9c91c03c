//! Named steps at which a test can end the process as `kill -9` would.

/// Ends the process with SIGKILL when `PUBLISH_KILL_POINT` names this step; nothing without the feature `kill-points`.
#[inline]
pub(crate) fn kill_point(name: &str) {
    #[cfg(feature = "kill-points")]
    if std::env::var_os("PUBLISH_KILL_POINT").is_some_and(|wanted| wanted == name) {
        let own = rustix::process::getpid();
        // SIGKILL does not return; were it refused, the test would see that the process lived on.
        let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
    }
    #[cfg(not(feature = "kill-points"))]
    let _ = name;
}
