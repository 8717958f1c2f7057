//! The profiling port: the paths of the target's profiler, each answered with what this build can do.
//! Called by the sidecar when profiling is enabled. It must never cost anything while nobody asks.

use std::convert::Infallible;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::service::service_fn;

use crate::{Body, Listener, ServeOptions, Shutdown, Tasks, body, serve};

/// The pages of the target, and what to use here instead; nothing to say about those that are answered.
const PROFILES: [(&str, &str); 10] = [
    ("allocs", "allocations are not sampled: the process has no garbage collector; use heaptrack"),
    ("block", "blocking is not sampled: no thread of this process blocks on channels; use perf sched"),
    ("cmdline", ""),
    ("goroutine", "there are no goroutines in this process"),
    ("heap", "the heap is not sampled; use heaptrack, or the metric process_resident_memory_bytes"),
    ("mutex", "locks are not sampled; use perf lock"),
    ("profile", "CPU profiles are not taken in the process; use perf record -g -p PID on a build with symbols"),
    ("symbol", "symbols are not looked up in the process; perf report does it"),
    ("threadcreate", "threads are created once at start"),
    ("trace", "there is no execution tracer; use perf trace -p PID"),
];

/// Serves `/debug/pprof/` until a stop is requested.
pub async fn serve_profiles(listener: Listener, shutdown: Shutdown, tasks: Tasks) {
    let service = service_fn(|request: Request<Body>| {
        let response = answer(request.uri().path());
        async move { Ok::<_, Infallible>(response) }
    });
    serve(listener, service, ServeOptions::default(), shutdown, tasks).await;
}

fn answer(path: &str) -> Response<Body> {
    match path.strip_prefix("/debug/pprof") {
        Some("" | "/") => text(StatusCode::OK, index()),
        Some("/cmdline") => {
            let arguments: Vec<String> = std::env::args_os().map(|part| part.to_string_lossy().into_owned()).collect();
            text(StatusCode::OK, arguments.join("\0"))
        }
        Some(rest) => {
            let name = rest.trim_start_matches('/');
            match PROFILES.iter().find(|(known, _)| *known == name) {
                Some((_, reason)) => text(StatusCode::NOT_IMPLEMENTED, format!("{reason}\n")),
                None => text(StatusCode::NOT_FOUND, "Unknown profile\n".to_owned()),
            }
        }
        None => text(StatusCode::NOT_FOUND, "404 page not found\n".to_owned()),
    }
}

/// What is there first, then what is not and why.
fn index() -> String {
    let mut page = String::from("/debug/pprof/\n\nAvailable:\n");
    for (name, _) in PROFILES.iter().filter(|(_, reason)| reason.is_empty()) {
        page.push_str(&format!("  {name}\n"));
    }
    page.push_str("\nNot available:\n");
    for (name, reason) in PROFILES.iter().filter(|(_, reason)| !reason.is_empty()) {
        page.push_str(&format!("  {name}: {reason}\n"));
    }
    page
}

fn text(status: StatusCode, content: String) -> Response<Body> {
    let mut response = Response::new(body::full(content));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_profiled_is_answered_with_a_sentence() {
        for name in ["heap", "profile", "symbol"] {
            assert_eq!(answer(&format!("/debug/pprof/{name}")).status(), StatusCode::NOT_IMPLEMENTED, "{name}");
        }
        assert_eq!(answer("/debug/pprof/nothing").status(), StatusCode::NOT_FOUND);
        assert_eq!(answer("/").status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn the_index_says_what_is_there_and_what_is_there_is_answered() {
        assert_eq!(answer("/debug/pprof").status(), StatusCode::OK);
        let page = index();
        let (there, missing) = page.split_once("Not available:").unwrap();
        assert!(there.contains("  cmdline\n") && missing.contains("  profile: ") && !missing.contains("cmdline"));
        assert_eq!(answer("/debug/pprof/cmdline").status(), StatusCode::OK);
    }
}
