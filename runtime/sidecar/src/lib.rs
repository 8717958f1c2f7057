//! daprd itself: options, wiring, component lifecycle, shutdown.
