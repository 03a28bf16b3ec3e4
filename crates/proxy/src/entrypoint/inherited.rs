//! Listening sockets that were opened before the process began, and that outlive it (socket activation).

use std::{
    collections::{BTreeMap, btree_map},
    io,
    net::TcpListener,
};

use socket2::SockRef;

use super::{BindError, Bound, listener::set_options};

/// The sockets that a process was started with, each with the name it was given. Empty for a process that opens
/// its own.
#[derive(Debug, Default)]
pub struct Inherited(Vec<(String, io::Result<TcpListener>)>);

impl Inherited {
    /// Sockets in the order in which they were handed over; an error for what cannot be listened on.
    pub fn new(sockets: Vec<(String, io::Result<TcpListener>)>) -> Self {
        Self(sockets)
    }

    /// The socket of each of `entry_points`, as far as there is one. What does not fit is logged, and closed.
    pub(crate) fn sort<'a>(
        self,
        entry_points: impl Iterator<Item = &'a str> + Clone,
    ) -> BTreeMap<&'a str, TcpListener> {
        let mut sorted = BTreeMap::new();
        if self.0.is_empty() {
            return sorted;
        }
        for (socket, listener) in self.0 {
            let Some(entry_point) = named(&socket, entry_points.clone()) else {
                tracing::warn!(
                    socket,
                    "no entrypoint has the name of a socket that was handed over"
                );
                continue;
            };
            match listener.and_then(listening) {
                Err(error) => tracing::warn!(socket, %error, "cannot use a socket that was handed over"),
                Ok(listener) => match sorted.entry(entry_point) {
                    btree_map::Entry::Vacant(place) => drop(place.insert(listener)),
                    btree_map::Entry::Occupied(_) => {
                        tracing::error!(
                            entry_point,
                            "two sockets of this name were handed over; the first one is used"
                        );
                    }
                },
            }
        }
        for entry_point in entry_points.filter(|name| !sorted.contains_key(name)) {
            tracing::warn!(
                entry_point,
                "no socket of this name was handed over that it can use; opening one on its address"
            );
        }
        sorted
    }
}

/// The entrypoint that a socket is named after: names of entrypoints are found in any case.
fn named<'a>(socket: &str, entry_points: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let exact = entry_points.clone().find(|name| *name == socket);
    exact.or_else(|| {
        entry_points
            .clone()
            .find(|name| name.eq_ignore_ascii_case(socket))
    })
}

/// Refuses the connection of one client, which is handed over in the same way as a socket that listens.
fn listening(listener: TcpListener) -> io::Result<TcpListener> {
    match SockRef::from(&listener).peer_addr() {
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a connection; a socket unit must not have Accept=yes",
        )),
        Err(_) => Ok(listener),
    }
}

/// The socket of the entrypoint called `name`, once for each of `workers`: they accept from one queue.
pub(crate) fn adopt(name: &str, listener: TcpListener, workers: usize) -> Result<Bound, BindError> {
    let share = || {
        listener.set_nonblocking(true)?;
        set_options(&SockRef::from(&listener))?;
        let address = listener.local_addr()?;
        let others = (1..workers).map(|_| listener.try_clone());
        let mut listeners = others.collect::<io::Result<Vec<_>>>()?;
        listeners.push(listener);
        Ok(Bound { address, listeners })
    };
    share().map_err(|source| BindError::Inherited {
        entry_point: name.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpStream};

    use super::*;

    fn socket() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    fn sorted(sockets: Vec<(&str, TcpListener)>, entry_points: &[&'static str]) -> Vec<(String, SocketAddr)> {
        let sockets = sockets
            .into_iter()
            .map(|(name, listener)| (name.to_owned(), Ok(listener)));
        let sorted = Inherited::new(sockets.collect()).sort(entry_points.iter().copied());
        let addresses = sorted
            .into_iter()
            .map(|(name, listener)| (name.to_owned(), listener.local_addr().unwrap()));
        addresses.collect()
    }

    #[test]
    fn a_socket_is_found_in_any_case_and_an_exact_name_before_another() {
        let ((one, first), (two, second)) = (socket(), socket());
        let sorted = sorted(vec![("WEB", one), ("web", two)], &["Web", "web"]);
        assert_eq!(sorted, [("Web".to_owned(), first), ("web".to_owned(), second)]);
    }

    #[test]
    fn of_two_sockets_of_one_name_the_first_is_used_and_a_stranger_by_nobody() {
        let ((one, first), (two, _), (other, _)) = (socket(), socket(), socket());
        let sorted = sorted(
            vec![("web", one), ("web", two), ("other", other)],
            &["api", "web"],
        );
        assert_eq!(sorted, [("web".to_owned(), first)]);
    }

    #[test]
    fn a_socket_of_another_kind_hides_no_good_one() {
        let (listener, address) = socket();
        let other_kind = Err(io::Error::from(io::ErrorKind::InvalidInput));
        let sockets = vec![("web".to_owned(), other_kind), ("web".to_owned(), Ok(listener))];
        let sorted = Inherited::new(sockets).sort(["web"].into_iter());
        assert_eq!(sorted["web"].local_addr().unwrap(), address);
    }

    #[test]
    fn the_connection_of_a_client_is_no_socket_to_listen_on() {
        let (_listener, address) = socket();
        let connection: std::os::fd::OwnedFd = TcpStream::connect(address).unwrap().into();
        assert!(sorted(vec![("web", connection.into())], &["web"]).is_empty());
    }

    #[test]
    fn workers_accept_from_one_queue() {
        let (listener, address) = socket();
        let bound = adopt("web", listener, 3).unwrap();
        assert_eq!((bound.address, bound.listeners.len()), (address, 3));
        let _client = TcpStream::connect(address).unwrap();
        assert!(bound.listeners[2].accept().is_ok());
        assert!(
            bound.listeners[0].accept().is_err(),
            "it is taken, and nobody waits"
        );
    }
}
