//! One write or removal as the script takes it, read from a request by the target's rules. Used by the state store.

use component::state::{Concurrency, Consistency, DeleteRequest, Operation, Options, SetRequest};
use component::{Error, ErrorKind, Metadata};

/// How many arguments the script takes per operation.
pub(super) const PARTS: usize = 5;

/// One operation, understood.
pub(super) struct Prepared<'a> {
    pub(super) key: &'a str,
    action: &'static str,
    wanted: String,
    first: &'static str,
    life: String,
    data: &'a [u8],
    pub(super) strong: bool,
}

impl<'a> Prepared<'a> {
    /// Whether it stands in a transaction decides about the mark of a first write, which the target does not make there.
    pub(super) fn store(request: &'a SetRequest, usual_life: Option<i64>, in_transaction: bool) -> Result<Self, Error> {
        let etag = request.etag.as_deref().filter(|etag| !etag.is_empty());
        // The target does not look at the ETag of a write whose last writer is to win.
        let etag = etag.filter(|_| request.options.concurrency != Concurrency::LastWrite);
        let first = match (request.options.concurrency, in_transaction, etag) {
            (Concurrency::FirstWrite, false, _) => "M",
            (Concurrency::FirstWrite, true, _) => "F",
            _ => "",
        };
        let life = time_to_live(&request.metadata)?.or(usual_life).map(|seconds| seconds.to_string());
        Ok(Self {
            key: &request.key,
            action: "S",
            wanted: wanted(etag)?,
            first,
            life: life.unwrap_or_default(),
            data: &request.value,
            strong: is_strong(request.options),
        })
    }

    pub(super) fn remove(request: &'a DeleteRequest) -> Self {
        let wanted = request.etag.clone().unwrap_or_default();
        let strong = is_strong(request.options);
        Self { key: &request.key, action: "D", wanted, first: "", life: String::new(), data: b"", strong }
    }

    pub(super) fn of_transaction(operation: &'a Operation, usual_life: Option<i64>) -> Result<Self, Error> {
        match operation {
            Operation::Upsert(request) => Self::store(request, usual_life, true),
            Operation::Delete(request) => Ok(Self::remove(request)),
        }
    }

    pub(super) fn arguments(&self) -> [&[u8]; PARTS] {
        [self.action.as_bytes(), self.wanted.as_bytes(), self.first.as_bytes(), self.life.as_bytes(), self.data]
    }
}

fn is_strong(options: Options) -> bool {
    options.consistency == Consistency::Strong
}

/// Versions are whole numbers; the one stored has neither sign nor leading zeros.
fn wanted(etag: Option<&str>) -> Result<String, Error> {
    let Some(etag) = etag else { return Ok(String::new()) };
    let version: i64 = etag.parse().map_err(|_| Error::etag_invalid(format_args!("{etag:?} is not a whole number")))?;
    Ok(version.to_string())
}

/// The seconds that a request says a value lives, as they are: zero or less takes an end away that the value has.
fn time_to_live(metadata: &Metadata) -> Result<Option<i64>, Error> {
    // Refuses what no store takes, in the words all stores use.
    component::state::time_to_live(metadata)?;
    let given = metadata.iter().find(|(name, _)| name.eq_ignore_ascii_case("ttlInSeconds"));
    let seconds = given.and_then(|(_, text)| text.parse::<i64>().ok());
    // More and the server would take it for a wrong number, after it had written.
    match seconds {
        Some(seconds) if seconds > MOST_SECONDS => {
            Err(Error::new(ErrorKind::InvalidArgument, "ttlInSeconds lies too far in the future"))
        }
        seconds => Ok(seconds),
    }
}

/// Three thousand years.
pub(super) const MOST_SECONDS: i64 = 100_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn life(pairs: &[(&str, &str)]) -> Result<Option<i64>, ErrorKind> {
        let metadata = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        time_to_live(&metadata).map_err(|error| error.kind())
    }

    #[test]
    fn zero_and_less_are_told_from_nothing() {
        assert_eq!(life(&[]), Ok(None));
        assert_eq!(life(&[("ttlInSeconds", "")]), Ok(None));
        assert_eq!(life(&[("ttlInSeconds", "-1")]), Ok(Some(-1)));
        assert_eq!(life(&[("TTLINSECONDS", "5")]), Ok(Some(5)));
        assert_eq!(life(&[("ttlInSeconds", "soon")]), Err(ErrorKind::InvalidArgument));
        assert_eq!(life(&[("ttlInSeconds", "9223372036854775807")]), Err(ErrorKind::InvalidArgument));
    }

    #[test]
    fn an_etag_counts_unless_the_last_writer_is_to_win() {
        let mut request = SetRequest { etag: Some("07".to_owned()), ..SetRequest::default() };
        assert_eq!(Prepared::store(&request, None, false).unwrap().wanted, "7");
        request.options.concurrency = Concurrency::LastWrite;
        assert_eq!(Prepared::store(&request, None, false).unwrap().wanted, "");
        request.options.concurrency = Concurrency::FirstWrite;
        assert_eq!(Prepared::store(&request, None, false).unwrap().first, "M");
        assert_eq!(Prepared::store(&request, None, true).unwrap().first, "F");
        request.etag = Some("x".to_owned());
        let error = Prepared::store(&request, None, false).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::EtagInvalid);
    }
}
