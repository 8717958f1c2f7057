//! The machine this sidecar runs on, as others see it.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use service::Environment;

/// The address others reach this machine at: `DAPR_HOST_IP`, else the one the kernel would send from, else the first that is
/// not loopback, else loopback. No packet is sent.
pub(crate) fn address(environment: &Environment) -> Option<String> {
    if let Some(address) = environment.get("DAPR_HOST_IP").filter(|address| !address.is_empty()) {
        return Some(address.to_owned());
    }
    routed(SocketAddr::from(([8, 8, 8, 8], 80))).or_else(interface).map(|address| address.to_string())
}

fn routed(target: SocketAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).ok()?;
    socket.connect(target).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_unspecified())
}

fn interface() -> Option<IpAddr> {
    let addresses = nix::ifaddrs::getifaddrs().ok()?;
    let addresses: Vec<IpAddr> = addresses
        .filter_map(|interface| interface.address)
        .filter_map(|address| address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip())))
        .collect();
    addresses.iter().find(|address| !address.is_loopback()).or(addresses.first()).copied()
}
