//! A line between an operator and the API server that can break in both ways in which lines do.

use std::net::SocketAddr;

use testbench_tests::control_plane::poll;
use tokio::io::{copy, copy_bidirectional, sink};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch::{Receiver, Sender};
use tokio::task::JoinHandle;

use super::LIMIT;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Whole,
    /// Connections are closed, new ones refused.
    Cut,
    /// Bytes are swallowed; new connections are taken, and never answered.
    Silent,
}

/// Passes bytes on, TLS as it is, until it is dropped.
pub(super) struct Proxy {
    address: SocketAddr,
    line: Sender<Line>,
    /// Connections that were taken and never answered.
    unanswered: Sender<usize>,
    serving: JoinHandle<()>,
    /// Keeps the port while nobody listens at it.
    _reserved: TcpSocket,
}

impl Proxy {
    /// Before `https://127.0.0.1:<port>`.
    pub(super) fn before(server: &str) -> Self {
        let target = server.trim_start_matches("https://").parse().unwrap();
        let reserved = bind(([127, 0, 0, 1], 0).into());
        let address = reserved.local_addr().unwrap();
        let line = Sender::new(Line::Whole);
        let unanswered = Sender::new(0);
        let listener = bind(address).listen(1024).unwrap();
        let serving = serve(listener, target, line.subscribe(), unanswered.clone());
        Self {
            address,
            serving: tokio::spawn(serving),
            line,
            unanswered,
            _reserved: reserved,
        }
    }

    pub(super) fn server(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Done when nothing is connected and nobody is let in any more.
    pub(super) async fn cut(&self) {
        self.line.send_replace(Line::Cut);
        let cut = poll(LIMIT, async || {
            let refused = TcpStream::connect(self.address).await.is_err();
            // The listener's own is left.
            (refused && self.line.receiver_count() == 1).then_some(())
        });
        assert!(cut.await.is_some(), "the line cannot be cut");
    }

    pub(super) fn silence(&self) {
        self.line.send_replace(Line::Silent);
    }

    /// New connections are served. One that was silent stays so: what it has swallowed is lost.
    pub(super) fn restore(&self) {
        self.line.send_replace(Line::Whole);
    }

    /// Waits for a connection that is not answered: somebody has given up another.
    pub(super) async fn until_one_is_unanswered(&self) {
        let mut unanswered = self.unanswered.subscribe();
        let one = unanswered.wait_for(|unanswered| *unanswered > 0);
        let one = tokio::time::timeout(LIMIT, one).await;
        assert!(one.is_ok(), "the silence is borne for ever");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// One of several at this address, of which one may listen.
fn bind(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

async fn serve(
    listener: TcpListener,
    target: SocketAddr,
    mut line: Receiver<Line>,
    unanswered: Sender<usize>,
) {
    let address = listener.local_addr().unwrap();
    let mut listener = Some(listener);
    loop {
        let open = listener.take();
        let open = open.unwrap_or_else(|| bind(address).listen(1024).unwrap());
        tokio::select! {
            () = accept(&open, target, line.clone(), &unanswered) => {}
            cut = line.wait_for(|line| *line == Line::Cut) => drop(cut),
        }
        drop(open);
        if line.wait_for(|line| *line != Line::Cut).await.is_err() {
            return;
        }
    }
}

async fn accept(
    listener: &TcpListener,
    target: SocketAddr,
    line: Receiver<Line>,
    unanswered: &Sender<usize>,
) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        if *line.borrow() == Line::Silent {
            unanswered.send_modify(|unanswered| *unanswered += 1);
        }
        tokio::spawn(connected(client, target, line.clone()));
    }
}

/// One connection, to its end.
async fn connected(mut client: TcpStream, target: SocketAddr, mut line: Receiver<Line>) {
    {
        let mut cut = line.clone();
        let pass_on = async {
            let mut server = TcpStream::connect(target).await?;
            copy_bidirectional(&mut client, &mut server).await
        };
        tokio::select! {
            biased;
            _ = cut.wait_for(|line| *line != Line::Whole) => {}
            _ = pass_on => return,
        }
    }
    tokio::select! {
        biased;
        _ = line.wait_for(|line| *line == Line::Cut) => {}
        _ = async { copy(&mut client, &mut sink()).await } => {}
    }
}
