//! One shape for every role: environment, shutdown, tasks, listeners, metrics port.
