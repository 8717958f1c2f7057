//! One topic: its messages in the store and its groups. `turn` takes what it was asked, writes all of it in one transaction,
//! answers, and hands out messages. No clock, no task, no randomness: `broker` runs it, and tests do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use ledger::Moment;

use crate::command::{Command, Reply};
use crate::error::damaged;
use crate::group::Group;
use crate::message::{Record, milliseconds};
use crate::names::Names;
use crate::settled::Settled;
use crate::{Attach, Change, Error, GroupOptions, Publication, Settlement, Store, TopicName, TopicStatus, When};

/// How many rows are read at once when a topic is opened.
const ROWS_AT_ONCE: usize = 1000;
/// The longest name of a topic or a group, in bytes.
const LONGEST_NAME: usize = 1024;

/// A topic.
pub(crate) struct Topic {
    pub(crate) name: TopicName,
    pub(crate) names: Names,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) numbers: Numbers,
    pub(crate) groups: BTreeMap<String, Group>,
    /// When the next message that is held back is to be published.
    pub(crate) next_delayed: Option<Moment>,
    /// When the oldest message may be too old.
    pub(crate) next_sweep: Option<Moment>,
    /// What the next transaction has to write.
    pub(crate) changes: Vec<Change>,
    /// The messages of this turn, so that they are not read again.
    pub(crate) fresh: BTreeMap<u64, Bytes>,
}

/// The topic's own row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// The number of the next message.
    pub(crate) next: u64,
    /// All messages below it are gone.
    pub(crate) first: u64,
    pub(crate) messages: u64,
    /// What the messages take, those that are held back included.
    pub(crate) bytes: u64,
    pub(crate) delayed: u64,
    pub(crate) delayed_bytes: u64,
    /// Tells messages that are held back until the same moment from each other.
    pub(crate) next_delayed: u64,
}

impl Numbers {
    fn encode(self) -> Bytes {
        let mut content = BytesMut::with_capacity(56);
        let Self { next, first, messages, bytes, delayed, delayed_bytes, next_delayed } = self;
        for number in [next, first, messages, bytes, delayed, delayed_bytes, next_delayed] {
            content.put_u64(number);
        }
        content.freeze()
    }

    fn decode(mut content: Bytes) -> Result<Self, Error> {
        if content.len() < 56 {
            return Err(damaged("a topic"));
        }
        Ok(Self {
            next: content.get_u64(),
            first: content.get_u64(),
            messages: content.get_u64(),
            bytes: content.get_u64(),
            delayed: content.get_u64(),
            delayed_bytes: content.get_u64(),
            next_delayed: content.get_u64(),
        })
    }
}

fn encode_group(floor: u64, options: &GroupOptions) -> Bytes {
    let mut content = BytesMut::with_capacity(40);
    content.put_u64(floor);
    content.put_u64(milliseconds(options.retention));
    content.put_u64(options.bytes);
    content.put_u64(milliseconds(options.first_wait));
    content.put_u64(milliseconds(options.longest_wait));
    content.freeze()
}

fn decode_group(mut content: Bytes) -> Result<(u64, GroupOptions), Error> {
    if content.len() < 40 {
        return Err(damaged("a group"));
    }
    let floor = content.get_u64();
    let (retention, bytes) = (Duration::from_millis(content.get_u64()), content.get_u64());
    let first_wait = Duration::from_millis(content.get_u64());
    let longest_wait = Duration::from_millis(content.get_u64());
    Ok((floor, GroupOptions { retention, bytes, first_wait, longest_wait }))
}

/// Refuses a name that no topic or group may have.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), Error> {
    let reason = match name.len() {
        0 => "must not be empty".to_owned(),
        length if length > LONGEST_NAME => format!("has {length} bytes; at most {LONGEST_NAME} are allowed"),
        _ if name.chars().any(char::is_control) => "must not have control characters".to_owned(),
        _ => return Ok(()),
    };
    Err(Error::Invalid(format!("the name of a {what} {reason}")))
}

/// What is answered once the transaction is on the disk.
#[derive(Default)]
struct Answers {
    done: Vec<Reply<()>>,
    /// Group, consumer, message.
    settled: Vec<(String, u64, u64)>,
}

impl Topic {
    /// Reads what there is of a topic; nothing for one that is new.
    pub(crate) async fn open(name: TopicName, store: Arc<dyn Store>) -> Result<Self, Error> {
        let names = Names::of(&name);
        let numbers = store.get(names.topic()).await?.map(Numbers::decode).transpose()?.unwrap_or_default();
        let mut topic = Self {
            name,
            names,
            store,
            numbers,
            groups: BTreeMap::new(),
            next_delayed: None,
            next_sweep: (numbers.messages > 0).then_some(Moment(0)),
            changes: Vec::new(),
            fresh: BTreeMap::new(),
        };
        topic.read_groups().await?;
        topic.find_next_delayed().await?;
        Ok(topic)
    }

    async fn read_groups(&mut self) -> Result<(), Error> {
        let (mut from, until) = self.names.groups();
        loop {
            let rows = self.store.read((from.clone(), until.clone()), (ROWS_AT_ONCE, usize::MAX)).await?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            from = behind(last);
            for (key, content) in rows {
                let group = self.names.group_of(&key).ok_or_else(|| damaged("a group"))?;
                let (floor, options) = decode_group(content)?;
                let settled = self.read_settled(&group, floor).await?;
                self.groups.insert(group, Group::new(options, settled));
            }
        }
    }

    async fn read_settled(&self, group: &str, floor: u64) -> Result<Settled, Error> {
        let (mut from, until) = (self.names.chunk(group, 0), self.names.chunk(group, u64::MAX));
        let mut chunks = Vec::new();
        loop {
            let rows = self.store.read((from.clone(), until.clone()), (ROWS_AT_ONCE, usize::MAX)).await?;
            let Some((last, _)) = rows.last() else { break };
            from = behind(last);
            for (key, content) in rows {
                chunks.push((Names::number_of(&key).ok_or_else(|| damaged("settled messages"))?, content));
            }
        }
        Settled::read(floor, chunks).ok_or_else(|| damaged("settled messages"))
    }

    /// Does what was asked, in its order, and whatever is due. Returns when there is something to do next.
    ///
    /// # Errors
    /// When the store failed: the topic must not be used any more.
    pub(crate) async fn turn(&mut self, commands: Vec<Command>, now: Moment) -> Result<Option<Moment>, Error> {
        let mut answers = Answers::default();
        let recorded = self.record(commands, now, &mut answers).await;
        for reply in answers.done {
            // Whoever asked may have gone.
            let _ = reply.send(recorded.clone());
        }
        recorded?;
        for (group, consumer, number) in answers.settled {
            if let Some(group) = self.groups.get_mut(&group)
                && !group.tell(consumer, number)
            {
                group.detach(consumer);
            }
        }
        self.deliver(now).await?;
        self.fresh.clear();
        Ok(self.next_due(now))
    }

    /// Takes what was asked and what is due, and has it on the disk when it returns.
    async fn record(&mut self, commands: Vec<Command>, now: Moment, answers: &mut Answers) -> Result<(), Error> {
        self.publish_due(now).await?;
        for command in commands {
            self.take(command, now, answers);
        }
        self.sweep(now).await?;
        self.commit().await
    }

    fn next_due(&self, now: Moment) -> Option<Moment> {
        // What has ended or is gone was found while messages were handed out, and waits to be written down.
        let unwritten = (!self.changes.is_empty()).then_some(now);
        let groups = self.groups.values().filter_map(Group::next_due);
        groups.chain(self.next_delayed).chain(self.next_sweep).chain(unwritten).min()
    }

    fn take(&mut self, command: Command, now: Moment, answers: &mut Answers) {
        match command {
            Command::Publish(publications, reply) => match self.publish(publications, now) {
                Ok(()) => answers.done.push(reply),
                Err(error) => drop(reply.send(Err(error))),
            },
            Command::Attach { attach, consumer, sender, reply } => match self.join(&attach) {
                Ok(group) => {
                    group.attach(consumer, attach.window, sender);
                    answers.done.push(reply);
                }
                Err(error) => drop(reply.send(Err(error))),
            },
            Command::Settle { group, consumer, settlements } => {
                for (number, settlement) in settlements {
                    if self.settle(&group, (consumer, number), settlement, now) {
                        answers.settled.push((group.clone(), consumer, number));
                    }
                }
            }
            Command::Pause { group, consumer } => {
                if let Some(group) = self.groups.get_mut(&group) {
                    group.pause(consumer);
                }
            }
            Command::Detach { group, consumer } => {
                if let Some(group) = self.groups.get_mut(&group) {
                    group.detach(consumer);
                }
            }
            Command::Status(reply) => drop(reply.send(Ok(self.status()))),
        }
    }

    /// All of the messages or none.
    fn publish(&mut self, publications: Vec<Publication>, now: Moment) -> Result<(), Error> {
        check_name("topic", &self.name.topic)?;
        self.check_room(&publications)?;
        for Publication { message, when } in publications {
            let due = match when {
                When::Now => now,
                When::After(wait) => now.after(wait),
                When::At(moment) => moment.max(now),
            };
            let record = Record { published: due, message };
            if due > now { self.hold_back(&record) } else { self.append(record.encode(), now) }
        }
        Ok(())
    }

    /// Adds a message to the log.
    pub(crate) fn append(&mut self, content: Bytes, now: Moment) {
        let number = self.numbers.next;
        self.numbers.next += 1;
        self.numbers.messages += 1;
        self.numbers.bytes += content.len() as u64;
        let too_old = now.after(self.retention());
        self.next_sweep = Some(self.next_sweep.map_or(too_old, |next| next.min(too_old)));
        self.fresh.insert(number, content.clone());
        self.changes.push(Change::Put(self.names.message(number), content));
    }

    /// The group, made if it is new: from now on it gets every message; the first one of a topic also what is there.
    fn join(&mut self, attach: &Attach) -> Result<&mut Group, Error> {
        check_name("topic", &self.name.topic)?;
        check_name("group", &attach.group)?;
        let start = if self.groups.is_empty() { self.numbers.first } else { self.numbers.next };
        let is_new = !self.groups.contains_key(&attach.group);
        let new = || Group::new(attach.options, Settled::below(start));
        let group = self.groups.entry(attach.group.clone()).or_insert_with(new);
        if is_new || group.options != attach.options {
            group.options = attach.options;
            let content = encode_group(group.settled.floor(), &group.options);
            self.changes.push(Change::Put(self.names.group(&attach.group), content));
            self.next_sweep = (self.numbers.messages > 0).then_some(Moment(0));
        }
        Ok(group)
    }

    /// Whether it is to be confirmed. A message that the consumer does not hold was dropped, or has been settled.
    fn settle(&mut self, name: &str, (consumer, number): (u64, u64), settlement: Settlement, now: Moment) -> bool {
        let Some(group) = self.groups.get_mut(name) else { return false };
        if !group.holds(consumer, number) {
            return true;
        }
        let size = group.size_of(consumer, number);
        group.settle(number, settlement, now);
        if settlement == Settlement::Done {
            self.remove_if_done(number, size);
        }
        true
    }

    /// Removes a message that every group is done with.
    pub(crate) fn remove_if_done(&mut self, number: u64, size: usize) {
        if self.groups.values().all(|group| group.settled.contains(number)) {
            self.numbers.messages = self.numbers.messages.saturating_sub(1);
            self.numbers.bytes = self.numbers.bytes.saturating_sub(size as u64);
            self.changes.push(Change::Remove(self.names.message(number)));
        }
    }

    async fn commit(&mut self) -> Result<(), Error> {
        let mut is_changed = !self.changes.is_empty();
        let mut floors = BTreeSet::new();
        for (name, group) in &mut self.groups {
            let changes = group.settled.take_changes();
            is_changed |= !changes.chunks.is_empty();
            for (chunk, content) in changes.chunks {
                let key = self.names.chunk(name, chunk);
                self.changes.push(
                    content.map_or_else(|| Change::Remove(key.clone()), |content| Change::Put(key.clone(), content)),
                );
            }
            if let Some(floor) = changes.floor {
                self.changes.push(Change::Put(self.names.group(name), encode_group(floor, &group.options)));
            }
            floors.insert(group.settled.floor());
        }
        if !is_changed {
            return Ok(());
        }
        self.numbers.first = floors.first().copied().unwrap_or(self.numbers.first).max(self.numbers.first);
        self.changes.push(Change::Put(self.names.topic(), self.numbers.encode()));
        self.store.write(std::mem::take(&mut self.changes)).await
    }

    fn status(&self) -> TopicStatus {
        let groups = self.groups.iter().map(|(name, group)| (name.clone(), group.status(self.numbers.next)));
        let Numbers { messages, delayed, bytes, .. } = self.numbers;
        TopicStatus { messages, delayed, bytes, groups: groups.collect() }
    }
}

/// The first key behind one.
pub(crate) fn behind(key: &Bytes) -> Bytes {
    let mut next = BytesMut::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.put_u8(0);
    next.freeze()
}
