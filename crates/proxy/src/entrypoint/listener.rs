//! Binds the sockets of an entrypoint: one for each worker, all on the same address.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use crate::settings::{Address, EntryPoint};

/// Connections the system keeps for a worker until it accepts them; capped by `net.core.somaxconn`.
pub(super) const BACKLOG: i32 = 4096;

/// Silence after which the system asks whether a client is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(180);

/// Why an entrypoint cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Its host does not resolve.
    #[error("entrypoint {entry_point}: cannot resolve {address}")]
    Resolve {
        /// The entrypoint.
        entry_point: String,
        /// Where it should listen.
        address: Address,
        /// What the resolver said.
        source: io::Error,
    },
    /// Its address cannot be had.
    #[error("entrypoint {entry_point}: cannot listen on {address}")]
    Listen {
        /// The entrypoint.
        entry_point: String,
        /// Where it should listen.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
    /// The socket that was handed over for it is of no use.
    #[error("entrypoint {entry_point}: cannot use the socket that was handed over")]
    Inherited {
        /// The entrypoint.
        entry_point: String,
        /// What the system said.
        source: io::Error,
    },
    /// A worker thread cannot be had.
    #[error("cannot start worker {worker}")]
    Worker {
        /// Which one.
        worker: usize,
        /// What the system said.
        source: io::Error,
    },
}

/// The sockets of one entrypoint.
#[derive(Debug)]
pub(crate) struct Bound {
    /// Where they listen, with the port that the system chose when none was given.
    pub(crate) address: SocketAddr,
    /// One for each worker.
    pub(crate) listeners: Vec<TcpListener>,
}

/// Binds `workers` sockets for the entrypoint called `name`.
///
/// Sockets of several workers share the address (SO_REUSEPORT), and would share it with another process
/// just as gladly. So a socket of the exclusive kind tries first, unless sharing is what the settings want.
pub(crate) fn bind(name: &str, settings: &EntryPoint, workers: usize) -> Result<Bound, BindError> {
    let listen_error = |source| BindError::Listen {
        entry_point: name.to_owned(),
        address: settings.address.clone(),
        source,
    };
    let candidates = resolve(&settings.address).map_err(|source| BindError::Resolve {
        entry_point: name.to_owned(),
        address: settings.address.clone(),
        source,
    })?;
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for candidate in candidates {
        match bind_all(candidate, settings.reuse_port, workers) {
            Ok(bound) => return Ok(bound),
            // A machine without IPv6 listens on IPv4 alone.
            Err(error) if is_unsupported(&error) => failure = error,
            Err(error) => return Err(listen_error(error)),
        }
    }
    Err(listen_error(failure))
}

fn resolve(address: &Address) -> io::Result<Vec<SocketAddr>> {
    if address.host.is_empty() {
        return Ok(vec![
            (Ipv6Addr::UNSPECIFIED, address.port).into(),
            (Ipv4Addr::UNSPECIFIED, address.port).into(),
        ]);
    }
    Ok((address.host.as_str(), address.port).to_socket_addrs()?.collect())
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Unsupported | io::ErrorKind::AddrNotAvailable
    ) || error.raw_os_error() == Some(EAFNOSUPPORT)
}

/// "Address family not supported", which the standard library has no kind for.
const EAFNOSUPPORT: i32 = 97;

fn bind_all(address: SocketAddr, shared: bool, workers: usize) -> io::Result<Bound> {
    if !shared && address.port() != 0 {
        drop(bound_socket(address, false)?);
    }
    let mut address = address;
    let mut listeners = Vec::with_capacity(workers);
    for _ in 0..workers {
        let socket = bound_socket(address, true)?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from(socket);
        address = listener.local_addr()?;
        listeners.push(listener);
    }
    Ok(Bound { address, listeners })
}

fn bound_socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // Every interface means both families; a written IPv6 address means itself.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // A restart finds connections of its predecessor in TIME_WAIT on this address.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    set_options(&socket)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// What every connection of a client has. On Linux it has what the socket had that it came to, which saves three calls
/// for each.
pub(super) fn set_options(socket: &Socket) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry_point(address: &str) -> EntryPoint {
        EntryPoint::new(address.parse().unwrap())
    }

    #[test]
    fn workers_share_the_port_that_the_system_chose() {
        let bound = bind("web", &entry_point("127.0.0.1:0"), 3).unwrap();
        assert_eq!(bound.listeners.len(), 3);
        for listener in &bound.listeners {
            assert_eq!(listener.local_addr().unwrap(), bound.address);
        }
    }

    #[test]
    fn an_address_in_use_is_an_error_that_names_it() {
        let first = bind("web", &entry_point("127.0.0.1:0"), 2).unwrap();
        let again = entry_point(&first.address.to_string());
        let error = bind("other", &again, 2).unwrap_err().to_string();
        assert!(
            error.contains("other") && error.contains(&first.address.to_string()),
            "{error}"
        );
    }

    #[test]
    fn an_address_that_both_sides_share_can_be_bound_twice() {
        let first = bind("web", &entry_point("127.0.0.1:0"), 1).unwrap();
        let mut again = entry_point(&first.address.to_string());
        again.reuse_port = true;
        assert!(bind("web", &again, 1).is_ok());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn connections_have_the_options_of_the_socket_they_came_to() {
        let bound = bind("web", &entry_point("127.0.0.1:0"), 1).unwrap();
        let _client = std::net::TcpStream::connect(bound.address).unwrap();
        bound.listeners[0].set_nonblocking(false).unwrap();
        let (stream, _) = bound.listeners[0].accept().unwrap();
        let socket = socket2::SockRef::from(&stream);
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEP_ALIVE);
    }

    #[test]
    fn no_host_means_every_interface() {
        let bound = bind("web", &entry_point(":0"), 1).unwrap();
        assert!(bound.address.ip().is_unspecified());
        std::net::TcpStream::connect(("127.0.0.1", bound.address.port())).unwrap();
    }
}
