use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::SOON;

/// That are started until one has a port.
const DRIVERS: u32 = 5;

const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// A browser of its own, which ends with this.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: TempDir,
}

impl Browser {
    pub fn open(url: &str) -> Self {
        Self::with(&json!({}), url)
    }

    pub fn without_scripts(url: &str) -> Self {
        Self::with(
            &json!({ "profile.managed_default_content_settings.javascript": 2 }),
            url,
        )
    }

    fn with(preferences: &Value, url: &str) -> Self {
        let (driver, port) = start_driver();
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Self {
            driver,
            port,
            session: String::new(),
            _profile: profile,
        };
        let profile = format!("--user-data-dir={}", browser._profile.path().display());
        let arguments: Vec<_> = ARGUMENTS.into_iter().chain([profile.as_str()]).collect();
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "args": arguments, "prefs": preferences },
        } } });
        let session = browser.ask("POST", "/session", &wanted);
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        browser.size(1200, 900);
        browser.go(url);
        browser
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the driver");
        let body = if method == "GET" {
            String::new()
        } else {
            body.to_string()
        };
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .unwrap();
        let (head, body) = read_answer(stream);
        assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head} {body}");
        let mut answer: Value = serde_json::from_str(&body).unwrap();
        answer["value"].take()
    }

    fn command(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", &format!("/session/{}{path}", self.session), body)
    }

    pub fn go(&self, url: &str) {
        self.command("/url", &json!({ "url": url }));
    }

    /// What the body of a function returns.
    pub fn run(&self, script: &str) -> Value {
        self.command("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    pub fn text(&self, expression: &str) -> String {
        let value = self.run(&format!("return String({expression})"));
        value.as_str().unwrap().to_owned()
    }

    pub fn number(&self, expression: &str) -> f64 {
        self.run(&format!("return Number({expression})"))
            .as_f64()
            .unwrap()
    }

    /// Of the developer tools' protocol.
    fn tool(&self, name: &str, parameters: &Value) -> Value {
        self.command(
            "/goog/cdp/execute",
            &json!({ "cmd": name, "params": parameters }),
        )
    }

    /// Of the window, in its own pixels.
    pub fn size(&self, width: u32, height: u32) {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": true });
        self.tool("Emulation.setDeviceMetricsOverride", &metrics);
    }

    pub fn colours(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.tool("Emulation.setEmulatedMedia", &features);
    }

    /// What is seen as without a script, by the accessibility of its elements and their text.
    pub fn visible_text(&self, selector: &str) -> String {
        let found = self.command(
            "/element",
            &json!({ "using": "css selector", "value": selector }),
        );
        let id = found.as_object().unwrap().values().next().unwrap();
        let path = format!(
            "/session/{}/element/{}/text",
            self.session,
            id.as_str().unwrap()
        );
        self.ask("GET", &path, &Value::Null)
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub fn type_into(&self, selector: &str, text: &str) {
        let found = self.command(
            "/element",
            &json!({ "using": "css selector", "value": selector }),
        );
        let id = found.as_object().unwrap().values().next().unwrap();
        let path = format!("/element/{}/value", id.as_str().unwrap());
        self.command(&path, &json!({ "text": text }));
    }

    /// The whole page as PNG, in base64.
    pub fn picture(&self, width: u32) -> String {
        let height = self.number("document.documentElement.scrollHeight");
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        let shot =
            json!({ "captureBeyondViewport": true, "clip": clip, "optimizeForSpeed": false });
        let shot = self.tool("Page.captureScreenshot", &shot);
        shot["data"].as_str().unwrap().to_owned()
    }

    /// What the browser has complained of: a policy that forbids what the page does, above all.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.command("/se/log", &json!({ "type": "browser" }));
        let entries = log.as_array().unwrap().iter();
        let messages = entries.map(|entry| entry["message"].as_str().unwrap().to_owned());
        messages.collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its browser goes with the session.
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let request = format!(
                "DELETE /session/{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                self.session
            );
            let _sent = stream.write_all(request.as_bytes());
            read_answer(stream);
        }
        let _killed = self.driver.kill();
        let _reaped = self.driver.wait();
    }
}

/// Head and body. The driver leaves the connection open.
fn read_answer(stream: TcpStream) -> (String, String) {
    stream.set_read_timeout(Some(2 * SOON)).unwrap();
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(
            stream.read_line(&mut head).expect("an answer") > 0,
            "{head}"
        );
    }
    let lines = head.to_ascii_lowercase();
    let length = lines
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; length.unwrap().trim().parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

/// On a port that it has chosen. It takes the same one of IPv4 and then of IPv6, where somebody may have it
/// already: then it ends, and another is started.
fn start_driver() -> (Child, u16) {
    let mut started = (0..DRIVERS).map(|_| try_to_start_driver());
    started
        .find_map(|driver| driver)
        .expect("a chromedriver that says its port")
}

fn try_to_start_driver() -> Option<(Child, u16)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver, of the package chromium-driver: run `make test-page`");
    let output = BufReader::new(driver.stdout.take().unwrap());
    let port = output.lines().map_while(Result::ok).find_map(|line| {
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    if port.is_none() {
        driver.wait().unwrap();
    }
    port.map(|port| (driver, port))
}
