//! The two sockets of the multicast group, one per IP family, shared with every other process of the host that speaks
//! mDNS. The resolver calls it. It must not know what a packet means.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Mutex, PoisonError};

use component::resolver::Error;
use nix::ifaddrs::getifaddrs;
use nix::libc;
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrStorage, recvmsg,
    sendmsg, setsockopt, sockopt,
};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::service::PORT;

const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
/// Packets are sent so that they provably come from the same link (RFC 6762, section 11).
const HOPS: u32 = 255;

/// The sockets of both families, as far as the host has them.
#[derive(Debug)]
pub(super) struct Sockets {
    members: Vec<Member>,
}

/// The socket of one family.
#[derive(Debug)]
pub(super) struct Member {
    socket: UdpSocket,
    family: Family,
    joined: Mutex<Vec<u32>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

/// Where a packet came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) length: usize,
    pub(super) source: SocketAddr,
    interface: u32,
}

impl Sockets {
    /// Opens what the host has. No way to anybody is an error; a family that has no interface yet may get one later.
    /// Must be called inside a tokio runtime.
    pub(super) fn open() -> Result<Self, Error> {
        let mut members = Vec::with_capacity(2);
        let mut reasons = Vec::new();
        for family in [Family::V4, Family::V6] {
            let opened = Member::open(family).and_then(|member| {
                let joined = member.join();
                members.push(member);
                joined
            });
            if let Err(error) = opened {
                reasons.push(format!("{family:?}: {error}"));
            }
        }
        if reasons.len() == 2 {
            return Err(Error::Unavailable(format!("No supported interface ({})", reasons.join(", "))));
        }
        Ok(Self { members })
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.iter()
    }

    /// Joins the group on interfaces that came up since the last time.
    pub(super) fn refresh(&self) {
        for member in &self.members {
            // The host may be between two networks; what was joined before still works.
            let _ = member.join();
        }
    }

    /// Sends to everybody on every interface. Losses are part of the protocol.
    pub(super) fn multicast(&self, packet: &[u8]) {
        for member in &self.members {
            let joined = member.joined.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for interface in joined {
                member.send(packet, member.group(interface), interface);
            }
        }
    }
}

impl Member {
    fn open(family: Family) -> io::Result<Self> {
        let domain = if family == Family::V4 { Domain::IPV4 } else { Domain::IPV6 };
        let socket = Socket::new(domain, Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
        socket.set_reuse_address(true)?;
        // Linux lets multicast sockets share a port by the line above; elsewhere it takes this one.
        #[cfg(not(target_os = "linux"))]
        socket.set_reuse_port(true)?;
        let wildcard: IpAddr = match family {
            Family::V4 => {
                socket.set_multicast_loop_v4(true)?;
                socket.set_multicast_ttl_v4(HOPS)?;
                setsockopt(&socket.as_fd(), sockopt::Ipv4PacketInfo, &true)?;
                Ipv4Addr::UNSPECIFIED.into()
            }
            Family::V6 => {
                socket.set_only_v6(true)?;
                socket.set_multicast_loop_v6(true)?;
                socket.set_multicast_hops_v6(HOPS)?;
                setsockopt(&socket.as_fd(), sockopt::Ipv6RecvPacketInfo, &true)?;
                Ipv6Addr::UNSPECIFIED.into()
            }
        };
        socket.bind(&SocketAddr::new(wildcard, PORT).into())?;
        let socket = UdpSocket::from_std(socket.into())?;
        Ok(Self { socket, family, joined: Mutex::new(Vec::new()) })
    }

    /// Joins where it is not a member yet; fails if it is a member nowhere.
    fn join(&self) -> io::Result<()> {
        let interfaces = interfaces(self.family)?;
        let mut joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        joined.retain(|index| interfaces.contains(index));
        let socket = socket2::SockRef::from(&self.socket);
        let mut failure = io::Error::other("no interface that can multicast");
        for index in interfaces {
            if joined.contains(&index) {
                continue;
            }
            let result = match self.family {
                Family::V4 => socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(index)),
                Family::V6 => socket.join_multicast_v6(&GROUP_V6, index),
            };
            match result {
                Ok(()) => joined.push(index),
                // An interface that went away and came back is still joined.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => joined.push(index),
                Err(error) => failure = error,
            }
        }
        if joined.is_empty() { Err(failure) } else { Ok(()) }
    }

    fn group(&self, interface: u32) -> SocketAddr {
        match self.family {
            Family::V4 => SocketAddrV4::new(GROUP_V4, PORT).into(),
            Family::V6 => SocketAddrV6::new(GROUP_V6, PORT, 0, interface).into(),
        }
    }

    /// Answers a packet: to its sender, or to everybody on the interface it came in by.
    pub(super) fn reply(&self, packet: &[u8], arrival: &Arrival, unicast: bool) {
        let target = if unicast { arrival.source } else { self.group(arrival.interface) };
        self.send(packet, target, arrival.interface);
    }

    fn send(&self, packet: &[u8], target: SocketAddr, interface: u32) {
        let (descriptor, slices) = (self.socket.as_raw_fd(), [IoSlice::new(packet)]);
        let flags = MsgFlags::MSG_DONTWAIT;
        // A packet that cannot be sent is a lost packet, which the protocol expects: it is not worth waiting for.
        let _ = match target {
            SocketAddr::V4(target) => {
                let unset = libc::in_addr { s_addr: 0 };
                let Ok(index) = interface.try_into() else { return };
                let info = libc::in_pktinfo { ipi_ifindex: index, ipi_spec_dst: unset, ipi_addr: unset };
                let control = [ControlMessage::Ipv4PacketInfo(&info)];
                sendmsg(descriptor, &slices, &control, flags, Some(&SockaddrIn::from(target)))
            }
            // The scope of the address says which interface.
            SocketAddr::V6(target) => sendmsg(descriptor, &slices, &[], flags, Some(&SockaddrIn6::from(target))),
        };
    }

    /// Waits for the next packet.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<Arrival> {
        self.socket.async_io(Interest::READABLE, || self.try_receive(buffer)).await
    }

    fn try_receive(&self, buffer: &mut [u8]) -> io::Result<Arrival> {
        let mut control = nix::cmsg_space!(libc::in6_pktinfo);
        let mut slices = [IoSliceMut::new(buffer)];
        let descriptor = self.socket.as_raw_fd();
        let received = recvmsg::<SockaddrStorage>(descriptor, &mut slices, Some(&mut control), MsgFlags::MSG_DONTWAIT)?;
        let source = received.address.as_ref().and_then(socket_address);
        let source = source.ok_or_else(|| io::Error::other("a packet without a source"))?;
        let interface = received.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::Ipv4PacketInfo(info) => info.ipi_ifindex.try_into().ok(),
            ControlMessageOwned::Ipv6PacketInfo(info) => Some(info.ipi6_ifindex),
            _ => None,
        });
        Ok(Arrival { length: received.bytes, source, interface: interface.unwrap_or_default() })
    }
}

fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|address| SocketAddrV4::from(*address).into());
    v4.or_else(|| storage.as_sockaddr_in6().map(|address| SocketAddrV6::from(*address).into()))
}

/// The interfaces that are up, can multicast and have an address of this family. A host whose only interface is the
/// loopback one uses that, which does not say that it can multicast but can.
fn interfaces(family: Family) -> io::Result<Vec<u32>> {
    let (mut able, mut loopback) = (Vec::new(), Vec::new());
    for entry in getifaddrs()? {
        let wanted = if family == Family::V4 { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let has_family = entry.address.as_ref().and_then(nix::sys::socket::SockaddrLike::family) == Some(wanted);
        if !has_family || !entry.flags.contains(InterfaceFlags::IFF_UP) {
            continue;
        }
        let Ok(index) = if_nametoindex(entry.interface_name.as_str()) else { continue };
        let list = if entry.flags.contains(InterfaceFlags::IFF_MULTICAST) {
            &mut able
        } else if entry.flags.contains(InterfaceFlags::IFF_LOOPBACK) {
            &mut loopback
        } else {
            continue;
        };
        if !list.contains(&index) {
            list.push(index);
        }
    }
    Ok(if able.is_empty() { loopback } else { able })
}
