//! Writers that behave as the workflow engine does: each owns a few keys, reads them, and writes them in transactions tied
//! to the ETag of one of them.

use component::state::{DeleteRequest, Operation, SetRequest};
use tokio::task::JoinSet;

use super::Subject;

const WORKFLOWS: usize = 110;
const STEPS: usize = 6;

pub(super) async fn a_hundred_and_ten_workflows_see_no_error(subject: Subject) {
    let other = subject.another().await;
    let mut running = JoinSet::new();
    for number in 0..WORKFLOWS {
        running.spawn(workflow(if number % 2 == 0 { subject.clone() } else { other.clone() }, number));
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap_or_else(|failure| std::panic::resume_unwind(failure.into_panic()));
    }
}

/// Grows a history step by step, reads it back whole, and removes it.
async fn workflow(subject: Subject, number: usize) {
    let name = |part: &str| format!("workflow||{number}||{part}");
    let head = name("metadata");
    let mut etag = None;
    for step in 0..STEPS {
        let told = step.to_string();
        let operations = vec![
            Operation::Upsert(subject.write(&name(&format!("history-{step:06}")), &told.repeat(500))),
            Operation::Upsert(subject.write(&name(&format!("inbox-{step:06}")), &told)),
            Operation::Delete(subject.removal(&name(&format!("inbox-{:06}", step.wrapping_sub(1))))),
            Operation::Upsert(SetRequest { etag: etag.take(), ..subject.write(&head, &told) }),
        ];
        subject.transact(operations).await.unwrap_or_else(|error| panic!("step {step} of {number}: {error}"));
        assert_eq!(subject.value(&head).await, Some(told));
        etag = Some(subject.etag(&head).await);
    }
    let names: Vec<String> = (0..STEPS).map(|step| name(&format!("history-{step:06}"))).collect();
    let found = subject.values(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let expected: Vec<_> = (0..STEPS).map(|step| Some(step.to_string().repeat(500))).collect();
    assert_eq!(found, expected, "the history of {number}");
    let mut removal: Vec<_> = names.iter().map(|name| Operation::Delete(subject.removal(name))).collect();
    removal.push(Operation::Delete(DeleteRequest { etag, ..subject.removal(&head) }));
    subject.transact(removal).await.unwrap_or_else(|error| panic!("the end of {number}: {error}"));
    assert_eq!(subject.get(&head).await, None);
}
