//! As much of Redis' protocol as starting and steering a server needs. Used by the Redis servers; tests of a backend use
//! a client of their own.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Sends commands over one connection, and answers the reply to the last: a bulk string as it is, an array one item a line.
pub(crate) fn ask(port: u16, commands: &[&[&str]]) -> io::Result<String> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut stream = BufReader::new(stream);
    let mut last = String::new();
    for command in commands {
        let mut text = format!("*{}\r\n", command.len());
        for word in *command {
            text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        stream.get_mut().write_all(text.as_bytes())?;
        last = reply(&mut stream)?;
    }
    Ok(last)
}

fn reply(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let line = line.trim_end();
    let (kind, rest) = line.split_at(line.len().min(1));
    let number = || rest.parse::<i64>().map_err(io::Error::other);
    match kind {
        "-" => Err(io::Error::other(rest.to_owned())),
        "$" => {
            let Ok(length) = usize::try_from(number()?) else { return Ok(String::new()) };
            let mut bytes = vec![0; length + 2];
            stream.read_exact(&mut bytes)?;
            bytes.truncate(length);
            String::from_utf8(bytes).map_err(io::Error::other)
        }
        "*" => {
            let items: io::Result<Vec<String>> = (0..number()?).map(|_| reply(stream)).collect();
            Ok(items?.join("\n"))
        }
        _ => Ok(rest.to_owned()),
    }
}
