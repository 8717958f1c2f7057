//! The tree of protobuf packages as the generated files expect it: they name each other by `super::super::...`.
//! Only `lib.rs` uses it, and gives each package its short name.

pub mod dapr {
    pub mod proto {
        pub mod common {
            pub mod v1 {
                include!("gen/dapr.proto.common.v1.rs");
            }
        }
        pub mod components {
            pub mod v1 {
                include!("gen/dapr.proto.components.v1.rs");
            }
        }
        pub mod internals {
            pub mod v1 {
                include!("gen/dapr.proto.internals.v1.rs");
            }
        }
        pub mod operator {
            pub mod v1 {
                include!("gen/dapr.proto.operator.v1.rs");
            }
        }
        pub mod placement {
            pub mod v1 {
                include!("gen/dapr.proto.placement.v1.rs");
            }
        }
        pub mod runtime {
            pub mod v1 {
                include!("gen/dapr.proto.runtime.v1.rs");
            }
        }
        pub mod scheduler {
            pub mod v1 {
                include!("gen/dapr.proto.scheduler.v1.rs");
            }
        }
        pub mod sentry {
            pub mod v1 {
                include!("gen/dapr.proto.sentry.v1.rs");
            }
        }
        pub mod workflows {
            pub mod v1 {
                include!("gen/dapr.proto.workflows.v1.rs");
            }
        }
    }
}

pub mod google {
    pub mod rpc {
        include!("gen/google.rpc.rs");
    }
}

/// The messages of the task hub have no package; what names them by `super` must stand below them.
pub mod taskhub {
    include!("gen/taskhub.rs");

    pub mod durabletask {
        pub mod protos {
            pub mod backend {
                pub mod v1 {
                    include!("gen/durabletask.protos.backend.v1.rs");
                }
            }
        }
    }
}

pub mod trilby {
    pub mod hub {
        pub mod v1 {
            include!("gen/trilby.hub.v1.rs");
        }
    }
}
