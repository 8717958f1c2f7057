//! Log format, trace context propagation and metric names.
