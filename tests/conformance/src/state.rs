//! What every state store promises: the list of checks, chosen by capability, and what a backend says of itself. The
//! checks talk to `&dyn StateStore` alone; they may not know a backend by name.

mod abilities;
mod bulk;
mod contention;
mod dropped;
mod etags;
mod history;
mod listing;
mod names;
mod query;
mod removal;
mod restarts;
mod subject;
mod time_to_live;
mod transactions;
mod values;
mod workflows;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use subject::Subject;

use crate::kind::checks;
use crate::{Backend, Capability, Check, Checking, Ground, Kind};

/// State stores as a kind of component.
pub struct StateStores;

/// What the checks have to know of a state store.
#[derive(Debug, Clone, Copy)]
pub struct StateProfile {
    /// What its ETags look like.
    pub etags: Etags,
    /// What it takes for certain. Beyond, it may work or say one clear error.
    pub limits: Limits,
    /// Whether two components on one ground see the same data.
    pub shared: bool,
    /// Whether values end by `Host.clock`, so that checks need not wait.
    pub uses_given_clock: bool,
}

/// ETags that no write of the suite is ever given.
#[derive(Debug, Clone, Copy)]
pub struct Etags {
    /// One that the store could give out: using it is a mismatch.
    pub foreign: &'static str,
    /// Some that the store could not give out, if there are such: using one is an invalid ETag.
    pub malformed: &'static [&'static str],
}

/// Sizes and letters that work for certain.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest value.
    pub value_bytes: usize,
    /// Longest key.
    pub key_bytes: usize,
    /// Whether keys may have a NUL in them.
    pub nul_in_keys: bool,
}

impl Kind for StateStores {
    const NAME: &'static str = "state";
    const TITLE: &'static str = "State stores";
    type Profile = StateProfile;
    type Subject = Subject;

    fn checks() -> Vec<Check<Self>> {
        all_checks()
    }

    fn capabilities() -> &'static [Capability] {
        use Capability::{
            Etag, ExpireTime, KeepsEnd, KeyListing, PartitionKey, PrefixRemoval, Query, Restart, Transactions,
            TransactionsInParts, Ttl,
        };
        &[
            Etag,
            Transactions,
            TransactionsInParts,
            Ttl,
            KeepsEnd,
            ExpireTime,
            PrefixRemoval,
            KeyListing,
            Query,
            PartitionKey,
            Restart,
        ]
    }

    fn open(
        backend: &'static Backend<Self>,
        ground: Arc<dyn Ground>,
        scope: String,
    ) -> Pin<Box<dyn Future<Output = Subject> + Send>> {
        Box::pin(Subject::open(backend, ground, scope))
    }

    fn close(subject: Subject) -> Checking {
        Box::pin(subject.close())
    }

    fn notes(profile: &StateProfile) -> Vec<(&'static str, String)> {
        let bytes = |most: usize| if most == usize::MAX { "any".to_owned() } else { format!("{most} bytes") };
        vec![
            ("longest value", bytes(profile.limits.value_bytes)),
            ("longest key", bytes(profile.limits.key_bytes)),
            ("NUL in keys", if profile.limits.nul_in_keys { "kept" } else { "refused" }.to_owned()),
        ]
    }
}

fn all_checks() -> Vec<Check<StateStores>> {
    checks![

    abilities::it_has_the_declared_capabilities_and_no_other[],
    abilities::what_is_not_declared_is_refused[],
    values::values_come_back_unchanged[],
    values::a_value_can_be_replaced_by_a_shorter_one[],
    values::a_removed_key_is_gone_and_removing_it_again_is_no_error[],
    values::ten_megabytes_are_kept_or_refused_clearly[],
    values::consistency_and_concurrency_options_are_taken[],
    values::what_one_component_writes_another_reads[],
    bulk::bulk_reads_answer_every_key_in_order[],
    bulk::bulk_writes_and_removals_do_all[],
    bulk::bulk_requests_of_many_keys_work[],
    bulk::bulk_failures_name_their_keys_and_spare_the_others[Etag],
    bulk::a_bulk_write_names_a_bad_time_to_live[Ttl],
    etags::only_the_current_etag_is_accepted[Etag],
    etags::an_etag_that_cannot_be_one_is_invalid[Etag],
    etags::every_write_changes_the_etag[Etag],
    etags::first_write_without_an_etag_only_makes_new_keys[Etag],
    etags::first_write_with_an_etag_compares_it[Etag],
    time_to_live::a_bad_time_to_live_is_refused[Ttl],
    time_to_live::a_value_ends_after_its_time_and_not_before[Ttl],
    time_to_live::a_later_write_without_a_time_to_live_clears_it[Ttl],
    time_to_live::an_ended_value_counts_as_absent_for_etags[Ttl, Etag],
    time_to_live::a_time_to_live_in_a_transaction_counts[Ttl, Transactions],
    time_to_live::an_ended_key_is_not_listed[Ttl, KeyListing],
    time_to_live::the_end_is_told_on_every_read[Ttl, ExpireTime],
    time_to_live::an_end_beyond_all_calendars_is_refused_or_kept[Ttl],
    transactions::operations_are_done_in_order[Transactions],
    transactions::an_empty_transaction_is_no_error[Transactions],
    transactions::a_refused_operation_undoes_the_whole_transaction[Transactions],
    transactions::etags_are_compared_in_a_transaction[Transactions, Etag],
    transactions::a_transaction_of_many_operations_works[Transactions],
    transactions::no_reader_sees_half_a_transaction[Transactions],
    removal::removal_by_prefix_spares_deeper_and_other_keys[PrefixRemoval],
    removal::removal_by_prefix_takes_its_letters_literally[PrefixRemoval],
    removal::an_empty_prefix_is_refused[PrefixRemoval],
    listing::patterns_match_as_in_sql[KeyListing],
    listing::escaped_letters_stand_for_themselves[KeyListing],
    listing::an_empty_pattern_is_refused[KeyListing],
    listing::pages_hold_every_key_once[KeyListing],
    listing::without_a_page_size_all_keys_come[KeyListing],
    listing::keys_that_stay_are_found_while_others_go[KeyListing],
    listing::a_token_that_is_none_is_refused[KeyListing],
    query::filters_find_what_fits[Query],
        query::results_are_sorted_and_come_in_pages[Query],
        query::results_have_their_values_and_etags[Query],
        query::a_query_that_cannot_be_answered_is_refused[Query],
        names::odd_keys_are_kept_apart[],
    names::long_keys_are_kept_or_refused_clearly[],
    names::a_key_with_a_nul_is_kept_or_refused_clearly[],
    names::odd_keys_can_be_listed_and_removed_by_prefix[KeyListing],
    dropped::dropped_reads_leave_no_answer_behind[],
    dropped::dropped_writes_are_done_or_not_but_never_mixed[],
    dropped::dropped_transactions_are_done_as_a_whole_or_not[Transactions],
    contention::of_eight_writers_one_wins_each_version[Etag],
    contention::of_eight_first_writers_one_makes_the_key[Etag],
    contention::of_eight_transactions_one_wins_each_version[Transactions, Etag],
    contention::values_are_never_torn[],
    workflows::a_hundred_and_ten_workflows_see_no_error[Transactions, Etag],
        restarts::no_acknowledged_write_is_lost_in_a_restart[Restart],
    ]
}
