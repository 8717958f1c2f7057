//! The Lua scripts of `state.redis`. Each judges all its operations first and then does all or none, so that also a
//! transaction leaves nothing half done. They use no command that the target does not use, because a user of the server may
//! be allowed no others. What is stored is the target's: a hash with `data`, `version` and, after a write
//! that asked for first-write, `first-write`.

use crate::script::Lua;

/// One operation or several, each on the key of its place. Arguments: what to do (`both`, only `judge`, or only `apply`),
/// then five per operation: `S` to store or `D` to remove; the version wanted, empty for any; `F` where the key must be
/// new, `M` where that is also marked in the hash, else empty; the time to live in seconds, empty to leave it, zero or less
/// for ever; the data. Answers 0, or the place of the operation that is refused, negative if the hash is not the target's.
pub(super) static OPERATE: Lua = Lua::new(OPERATE_TEXT, || Lua::digest(OPERATE_TEXT));

const OPERATE_TEXT: &str = r#"
local function field(key, name)
  local value = redis.pcall("HGET", key, name)
  if type(value) ~= "table" then return value, false end
  if string.sub(value.err, 1, 9) ~= "WRONGTYPE" then error(value) end
  return false, true
end

local function judge(key, action, wanted, first)
  local version, other = field(key, "version")
  if wanted ~= "" then return version == wanted end
  if action == "D" then return true end
  if first ~= "" then return not other and not version end
  if version and version ~= "" then
    if not string.match(version, "^%-?%d+$") then return nil end
    return not field(key, "first-write")
  end
  return true
end

local function apply(key, action, first, life, data)
  if action == "D" then return redis.call("DEL", key) end
  local _, other = field(key, "version")
  if other then redis.call("DEL", key) end
  redis.call("HSET", key, "data", data)
  if first == "M" then redis.call("HSET", key, "first-write", 0) end
  redis.call("HINCRBY", key, "version", 1)
  if life ~= "" then
    if tonumber(life) > 0 then redis.call("EXPIRE", key, life) else redis.call("PERSIST", key) end
  end
end

for place, key in ipairs(KEYS) do
  local at = (place - 1) * 5 + 2
  local fine = ARGV[1] == "apply" or judge(key, ARGV[at], ARGV[at + 1], ARGV[at + 2])
  if fine == nil then return -place end
  if not fine then return place end
end
if ARGV[1] == "judge" then return 0 end
for place, key in ipairs(KEYS) do
  local at = (place - 1) * 5 + 2
  apply(key, ARGV[at], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4])
end
return 0
"#;
