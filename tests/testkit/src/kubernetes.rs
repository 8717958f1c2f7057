//! A Kubernetes API server as clients see it: objects with versions, lists, watches with history, token reviews, and the ways in
//! which each of them fails. It speaks JSON only, knows no discovery and asks for client certificates.

mod objects;
mod routes;
mod watching;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;

use crate::app::{App, Recorded};
use crate::certificates::Certificates;
use objects::Objects;
use watching::Watches;

/// Whose token it is.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// For example `system:serviceaccount:default:web`.
    pub username: String,
    /// For whom the token is.
    pub audiences: Vec<String>,
    /// What else the API server says of the user, by name; for example the pod.
    pub extra: Vec<(String, String)>,
    /// Why the token no longer counts, if it does not.
    pub error: Option<String>,
}

/// The server; it ends when dropped.
pub struct KubernetesApi {
    app: App,
    shared: Arc<Shared>,
    certificates: Certificates,
}

#[derive(Default)]
struct Shared {
    objects: Mutex<Objects>,
    watches: Watches,
}

impl Shared {
    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().expect("no holder panics")
    }
}

impl KubernetesApi {
    /// Starts one that speaks HTTP/2.
    pub async fn start() -> Self {
        Self::start_with(App::h2_for_clients_of).await
    }

    /// Starts one that speaks HTTP/1.1.
    pub async fn start_http1() -> Self {
        Self::start_with(App::https_for_clients_of).await
    }

    async fn start_with(app: fn(&Certificates) -> crate::AppBuilder) -> Self {
        let (certificates, shared) = (Certificates::new(), Arc::<Shared>::default());
        let answering = Arc::clone(&shared);
        let app = app(&certificates).otherwise(move |arrived| routes::answer(Arc::clone(&answering), arrived));
        Self { app: app.start().await, shared, certificates }
    }

    /// Writes a kubeconfig file and what it names into a folder.
    #[must_use]
    pub fn kubeconfig(&self, folder: &Path) -> PathBuf {
        let (certificate, key) = self.certificates.issue();
        for (name, text) in [("ca.crt", self.certificates.authority()), ("tls.crt", certificate), ("tls.key", key)] {
            std::fs::write(folder.join(name), text).expect("the folder is there");
        }
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: default\n\
             clusters:\n- name: default\n  cluster:\n    server: https://127.0.0.1:{}\n    \
             certificate-authority: ca.crt\n    tls-server-name: localhost\n\
             contexts:\n- name: default\n  context: {{cluster: default, user: default}}\n\
             users:\n- name: default\n  user: {{client-certificate: tls.crt, client-key: tls.key}}\n",
            self.app.port()
        );
        let path = folder.join("kubeconfig");
        std::fs::write(&path, text).expect("the folder is there");
        path
    }

    /// Its authority, for clients without a kubeconfig file.
    #[must_use]
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.app.port()
    }

    /// Creates or replaces an object of a collection, for example `/api/v1/pods`.
    pub fn put(&self, collection: &str, object: Value) {
        self.shared.objects().put(collection, object);
        self.shared.watches.wake();
    }

    /// Deletes an object.
    pub fn delete(&self, collection: &str, namespace: &str, name: &str) {
        self.shared.objects().delete(collection, namespace, name);
        self.shared.watches.wake();
    }

    /// An object as it is.
    #[must_use]
    pub fn get(&self, collection: &str, namespace: &str, name: &str) -> Option<Value> {
        self.shared.objects().get(collection, namespace, name)
    }

    /// Knows this token from now on.
    pub fn know_token(&self, token: &str, account: Account) {
        self.shared.objects().accounts.insert(token.to_owned(), account);
    }

    /// Does not say for which audiences a token was found good, as servers that know of none.
    pub fn hide_audiences(&self) {
        self.shared.objects().hides_audiences = true;
    }

    /// Wants this bearer token in every request.
    pub fn demand_token(&self, token: &str) {
        self.shared.objects().demanded = Some(format!("Bearer {token}"));
    }

    /// Answers the next requests whose method and path begin like this with a status.
    pub fn refuse(&self, method: &str, path: &str, status: u16, times: u32) {
        self.shared.objects().refusals.push(objects::Refusing {
            method: method.to_owned(),
            path: path.to_owned(),
            status,
            times,
        });
    }

    /// Forgets what happened so far: nobody can watch from an older version.
    pub fn forget_history(&self) {
        self.shared.objects().forget_history();
    }

    /// Ends the watches that are open, as the server does after a while.
    pub fn end_watches(&self) {
        self.shared.watches.end();
    }

    /// Breaks the watches that are open.
    pub fn cut_watches(&self) {
        self.shared.watches.cut();
    }

    /// Tells the watches that are open that they are too old, and ends them.
    pub fn expire_watches(&self) {
        self.shared.watches.expire();
    }

    /// Tells the watches that are open the version that is reached.
    pub fn bookmark(&self) {
        self.shared.watches.bookmark();
    }

    /// Every request so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.app.everything()
    }

    /// The method and path (with query) of every request so far that begins like this.
    #[must_use]
    pub fn asked(&self, start: &str) -> Vec<String> {
        let all = self.app.everything().into_iter().map(|request| format!("{} {}", request.method, request.path));
        all.filter(|line| line.starts_with(start)).collect()
    }

    /// Waits until there were so many requests that begin like this.
    pub async fn was_asked(&self, start: &str, times: usize) -> Vec<String> {
        for _ in 0..1000 {
            let asked = self.asked(start);
            if asked.len() >= times {
                return asked;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{times} requests {start:?} did not come: {:#?}", self.asked(""));
    }
}
