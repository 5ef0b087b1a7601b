//! One word to all tasks of a daemon: end.

use tokio::sync::watch;

/// Says it. Dropping it says it too, so that no task outlives the one that would have told it.
#[derive(Debug)]
pub struct Stopper(watch::Sender<()>);

/// Hears it; one for each task.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<()>);

/// The two ends.
pub fn channel() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(());
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    /// Tells all tasks, and waits until each has dropped its [`Stop`].
    pub async fn stop(self) {
        self.0.send_replace(());
        self.0.closed().await;
    }
}

impl Stop {
    /// Waits until the daemon is to end.
    pub async fn asked(&mut self) {
        // An error is a dropped Stopper: the same thing.
        self.0.changed().await.ok();
    }
}
