//! What the other end of a connection speaks: it is greeted as HTTP/2 wants it.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// What a client says first, and a frame with no settings.
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Of a record of TLS, by which some servers complain of what is none.
const ALERT: u8 = 0x15;

/// Who is silent for longer may still speak HTTP/2.
const PATIENCE: Duration = Duration::from_millis(1500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerHello {
    /// It answers, or may still do so.
    Fit,
    /// It hangs up, or complains in another protocol.
    Unfit,
}

/// # Errors
/// When the connection breaks, as where TLS refuses our certificate.
pub(super) async fn greet(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
) -> io::Result<ServerHello> {
    let mut first = [0];
    let answer = async {
        stream.write_all(GREETING).await?;
        stream.flush().await?;
        stream.read(&mut first).await
    };
    match timeout(PATIENCE, answer).await {
        Ok(Err(error)) => Err(error),
        Ok(Ok(0)) => Ok(ServerHello::Unfit),
        Ok(Ok(_)) if first[0] == ALERT => Ok(ServerHello::Unfit),
        Ok(Ok(_)) | Err(_) => Ok(ServerHello::Fit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_complains_in_another_protocol_or_hangs_up_is_unfit() {
        let table = [
            (&b"\0\0\x06\x04"[..], ServerHello::Fit),
            (b"\x15\x03\x01\0\x02\x02\x46", ServerHello::Unfit),
            (b"", ServerHello::Unfit),
        ];
        for (answer, hello) in table {
            let (ours, mut theirs) = tokio::io::duplex(256);
            theirs.write_all(answer).await.expect("room");
            theirs.shutdown().await.expect("shut down");
            assert_eq!(greet(ours).await.expect("an answer"), hello);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_tells_nothing() {
        let (ours, _theirs) = tokio::io::duplex(256);
        assert_eq!(greet(ours).await.expect("no fault"), ServerHello::Fit);
    }
}
