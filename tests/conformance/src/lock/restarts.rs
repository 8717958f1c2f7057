//! Locks when the server goes and comes back. The check has a server of its own.

use std::time::Duration;

use tokio::time::Instant;

use super::Subject;

pub(super) async fn it_works_again_soon_after_a_restart(subject: Subject) {
    assert!(subject.lock("before", "owner").await);
    subject.ground.restart().await;
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        match subject.try_lock("after", "owner", Duration::from_secs(60)).await {
            Ok(granted) => break assert!(granted),
            Err(error) => assert!(Instant::now() < end, "not working five seconds after the server is: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
