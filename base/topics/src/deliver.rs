//! Handing out messages: what is ready goes to consumers with room, and where nothing is ready, more of the log is looked at. A
//! part of `topic`.

use std::collections::BTreeMap;

use bytes::Bytes;
use ledger::Moment;

use crate::Error;
use crate::error::damaged;
use crate::group::Group;
use crate::message::Record;
use crate::names::Names;
use crate::topic::Topic;

/// How many messages are looked at together, and no more once they have so many bytes.
const LOOK_AT: (usize, usize) = (256, 4 << 20);

impl Topic {
    /// Hands out what consumers have room for.
    pub(crate) async fn deliver(&mut self, now: Moment) -> Result<(), Error> {
        let groups: Vec<String> = self.groups.keys().cloned().collect();
        for name in groups {
            // For the time of its own delivery a group is apart from the topic, which is asked for messages meanwhile.
            let Some(mut group) = self.groups.remove(&name) else { continue };
            let delivered = self.deliver_to(&mut group, now).await;
            self.groups.insert(name, group);
            for (number, size) in delivered? {
                self.remove_if_done(number, size);
            }
        }
        Ok(())
    }

    /// Returns messages that were found to have ended, with their sizes.
    async fn deliver_to(&self, group: &mut Group, now: Moment) -> Result<Vec<(u64, usize)>, Error> {
        group.wake(now);
        let (mut ended, mut looked) = (Vec::new(), BTreeMap::new());
        while let Some(consumer) = group.next_consumer() {
            let Some(number) = group.first_ready() else {
                if group.cursor >= self.numbers.next || !group.may_look() {
                    break;
                }
                looked = self.look(group).await?;
                continue;
            };
            let known = self.fresh.get(&number).or_else(|| looked.get(&number)).cloned();
            let content = match known {
                Some(content) => Some(content),
                None => self.store.get(self.names.message(number)).await?,
            };
            let Some(content) = content else {
                group.done(number);
                continue;
            };
            let size = content.len();
            let record = Record::decode(content)?;
            if record.has_ended(now) {
                group.done(number);
                ended.push((number, size));
            } else if !group.hand_out(number, consumer, (record.message, size)) {
                group.detach(consumer);
            }
        }
        Ok(ended)
    }

    /// Looks at the next messages of the log, and returns them if they had to be read.
    async fn look(&self, group: &mut Group) -> Result<BTreeMap<u64, Bytes>, Error> {
        let begin = group.cursor;
        if let Some(content) = self.fresh.get(&begin) {
            group.look_at(begin, Record::decode(content.clone())?.message.ordering_key.as_deref());
            return Ok(BTreeMap::new());
        }
        let keys = (self.names.message(begin), self.names.message(self.numbers.next));
        let most = (group.room().clamp(1, LOOK_AT.0), LOOK_AT.1);
        let mut looked = BTreeMap::new();
        for (key, content) in self.store.read(keys, most).await? {
            looked.insert(Names::number_of(&key).ok_or_else(|| damaged("a message"))?, content);
        }
        for (number, content) in &looked {
            // What is not in the log any more, every group is done with.
            group.pass_over(*number);
            group.look_at(*number, Record::decode(content.clone())?.message.ordering_key.as_deref());
        }
        if looked.is_empty() {
            group.pass_over(self.numbers.next);
        }
        Ok(looked)
    }
}
