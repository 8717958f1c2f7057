//! The variables that the target writes into its own environment at start. Resources and Configuration files may refer to
//! them (`envRef`, `${APP_ID}`), so they are added to the role's snapshot; the environment of the process stays as it is.

use service::Environment;

use crate::{Options, host};

/// The snapshot with `APP_ID`, `APP_PORT`, `HOST_ADDRESS`, `DAPR_PORT` and the other ports of this sidecar.
/// `DAPR_METRICS_PORT` is left out while there are no metrics.
pub(crate) fn with_own(options: &Options, environment: &Environment) -> Environment {
    let listen = &options.listen;
    let ports = [
        ("APP_PORT", options.app.port.or(Some(0))),
        ("DAPR_PORT", Some(listen.internal_port.number)),
        ("DAPR_GRPC_PORT", Some(listen.grpc_port)),
        ("DAPR_HTTP_PORT", Some(listen.http_port)),
        ("DAPR_METRICS_PORT", listen.metrics.as_ref().map(|(_, port)| *port)),
        ("DAPR_PROFILE_PORT", Some(listen.profile_port)),
    ];
    let ports = ports.into_iter().filter_map(|(name, port)| Some((name, port?.to_string())));
    let texts = [("APP_ID", Some(options.app_id.clone())), ("HOST_ADDRESS", host::address(environment))];
    let texts = texts.into_iter().filter_map(|(name, text)| Some((name, text?)));
    environment.with(texts.chain(ports))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Command, Site, parse};

    #[test]
    fn resources_can_refer_to_what_this_sidecar_is() {
        let environment = Environment::from_pairs([("APP_ID", "inherited"), ("DAPR_HOST_IP", "10.1.2.3"), ("X", "y")]);
        let line =
            ["--app-id", "a", "--app-port", "5000", "--dapr-internal-grpc-port", "50002", "--enable-metrics=false"];
        let site = Site { working_directory: "/".into(), user_id: 0, host: "h".into() };
        let Ok(Command::Run(options)) = parse(line.map(str::to_owned), &environment, &site) else { panic!("no run") };
        let extended = with_own(&options, &environment);
        let expected = [
            ("APP_ID", "a"),
            ("APP_PORT", "5000"),
            ("DAPR_GRPC_PORT", "50001"),
            ("DAPR_HOST_IP", "10.1.2.3"),
            ("DAPR_HTTP_PORT", "3500"),
            ("DAPR_PORT", "50002"),
            ("DAPR_PROFILE_PORT", "7777"),
            ("HOST_ADDRESS", "10.1.2.3"),
            ("X", "y"),
        ];
        assert_eq!(extended.iter().collect::<Vec<_>>(), expected);
    }
}
