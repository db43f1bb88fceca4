//! Amazon's signature of a request, version 4: who sends it, when, for which region and service, and over all of it.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use core::fmt::Write as _;

use aws_lc_rs::digest::{self, SHA256};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base::{Secret, Timestamp};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};

use crate::heads::Outgoing;
use crate::http1;

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const SESSION: HeaderName = HeaderName::from_static("x-amz-security-token");

/// The service whose models are asked.
const SERVICE: &str = "bedrock";

/// One credential of Amazon's.
pub(super) struct AwsKey {
    id: String,
    secret: Secret<String>,
    /// Of a credential that is lent for some hours.
    session: Option<Secret<String>>,
}

impl AwsKey {
    /// Takes `ID:SECRET` or `ID:SECRET:SESSION` apart.
    ///
    /// # Errors
    /// What is wrong with its form, without any of it.
    pub(super) fn parse(credential: &Secret<String>) -> Result<AwsKey, String> {
        let parts: Vec<&str> = credential.expose().split(':').collect();
        let is_plain = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
        let ([id, secret] | [id, secret, _]) = parts[..] else {
            return Err("write it as ACCESS_KEY_ID:SECRET_ACCESS_KEY, and :SESSION_TOKEN where there is one".into());
        };
        if !parts.iter().all(is_plain) {
            return Err("a part of it is empty or has spaces".into());
        }
        let session = parts.get(2).map(|session| Secret::new((*session).to_owned()));
        Ok(AwsKey { id: id.to_owned(), secret: Secret::new(secret.to_owned()), session })
    }

    /// What no client may see of it.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &[u8]> {
        let id = core::iter::once(&self.id);
        let secrets = core::iter::once(&self.secret).chain(&self.session).map(Secret::expose);
        id.chain(secrets).map(|text| text.as_bytes())
    }
}

/// What a signature is for.
pub(super) struct Scope {
    region: String,
    service: &'static str,
}

impl Scope {
    /// The region that is named, or that the host names: `bedrock-runtime.REGION.amazonaws.com`.
    ///
    /// # Errors
    /// When neither does.
    pub(super) fn of(region: Option<&str>, host: &str) -> Result<Scope, String> {
        let of_host = || {
            let (_, rest) = host.split_once('.')?;
            let region = rest.strip_suffix(".amazonaws.com").or_else(|| rest.strip_suffix(".amazonaws.com.cn"))?;
            (!region.is_empty() && !region.contains('.')).then_some(region)
        };
        let region = region.or_else(of_host).ok_or("its address names no region; give the upstream one")?;
        Ok(Scope { region: region.to_owned(), service: SERVICE })
    }
}

/// Signs `request`, which is sent to `host`, and nothing of which is changed afterwards.
pub(super) fn sign(request: &mut Outgoing, host: &HeaderValue, key: &AwsKey, scope: &Scope, now: Timestamp) {
    let mut body = digest::Context::new(&SHA256);
    request.body.pieces().for_each(|piece| body.update(piece));
    let body = hex(body.finish().as_ref());
    let time = written(now);
    let content_type = request.fields.get(&CONTENT_TYPE).and_then(http1::text);
    let signed = Signed {
        method: request.method.as_str(),
        path: request.uri.path(),
        query: request.uri.query().unwrap_or_default(),
        host: host.to_str().unwrap_or_default(),
        content_type,
        body: &body,
    };
    let authorization = authorization(&signed, key, scope, &time);
    let mut set = |name: HeaderName, text: &str| {
        // A key's parts and all else here are visible ASCII.
        if let Ok(mut value) = HeaderValue::from_str(text) {
            value.set_sensitive(name != DATE);
            request.secrets.push((name, value));
        }
    };
    set(DATE, &time);
    if let Some(session) = &key.session {
        set(SESSION, session.expose());
    }
    set(AUTHORIZATION, &authorization);
}

/// What of a request is signed.
struct Signed<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    host: &'a str,
    content_type: Option<&'a str>,
    /// The hash of the body.
    body: &'a str,
}

/// The value of the header that carries the signature.
fn authorization(signed: &Signed<'_>, key: &AwsKey, scope: &Scope, time: &str) -> String {
    let (canonical, headers) = canonical(signed, key, time);
    let day = time.split('T').next().unwrap_or_default();
    let Scope { region, service } = scope;
    let within = format!("{day}/{region}/{service}/aws4_request");
    let request_hash = hex(digest::digest(&SHA256, canonical.as_bytes()).as_ref());
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{within}\n{request_hash}");
    let first = format!("AWS4{}", key.secret.expose());
    let steps: [&str; 4] = [day, region, service, "aws4_request"];
    let signing_key = steps.iter().fold(first.into_bytes(), |key, step| keyed(&key, step.as_bytes()));
    let signature = hex(&keyed(&signing_key, text.as_bytes()));
    let id = &key.id;
    format!("AWS4-HMAC-SHA256 Credential={id}/{within}, SignedHeaders={headers}, Signature={signature}")
}

/// The request in the one form that both sides make of it, and the names of the headers in it.
fn canonical(signed: &Signed<'_>, key: &AwsKey, time: &str) -> (String, String) {
    let mut headers: Vec<(&str, &str)> = vec![("host", signed.host), ("x-amz-date", time)];
    headers.extend(signed.content_type.map(|kind| ("content-type", kind)));
    headers.extend(key.session.as_ref().map(|session| ("x-amz-security-token", session.expose().as_str())));
    headers.sort_unstable();
    let mut pairs: Vec<(&str, &str)> =
        signed.query.split('&').filter(|pair| !pair.is_empty()).map(split_pair).collect();
    pairs.sort_unstable();
    let query: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let mut text = format!("{}\n{}\n{}\n", signed.method, escaped_path(signed.path), query.join("&"));
    for (name, value) in headers {
        text.extend([name, ":", value.trim(), "\n"]);
    }
    text.extend(["\n", &names, "\n", signed.body]);
    (text, names)
}

fn split_pair(pair: &str) -> (&str, &str) {
    pair.split_once('=').unwrap_or((pair, ""))
}

/// A path as it stands in the request, escaped once more, as all services but the storage want it.
fn escaped_path(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            push(&mut escaped, format_args!("%{byte:02X}"));
        }
    }
    escaped
}

/// `20150830T123600Z`.
fn written(now: Timestamp) -> String {
    let time = jiff::Timestamp::from_microsecond(now.micros()).unwrap_or_default();
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn keyed(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(HMAC_SHA256, key), text).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    bytes.iter().for_each(|byte| push(&mut text, format_args!("{byte:02x}")));
    text
}

fn push(text: &mut String, formatted: core::fmt::Arguments<'_>) {
    text.write_fmt(formatted).expect("a text takes any text");
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{Method, Uri};

    use super::*;
    use crate::body::OutgoingBody;

    fn key(session: &str) -> AwsKey {
        let text = format!("AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY{session}");
        AwsKey::parse(&Secret::new(text)).expect("a key")
    }

    fn time() -> Timestamp {
        Timestamp::from_seconds(1_440_938_160)
    }

    #[test]
    fn nothing_of_a_signature_is_printed() {
        let mut request = Outgoing::new(Method::GET, Uri::from_static("/"), OutgoingBody::default());
        let scope = Scope { region: "us-east-1".into(), service: "service" };
        sign(&mut request, &HeaderValue::from_static("host"), &key(":session-canary"), &scope, time());
        let printed = format!("{:?} {:?}", request.secrets, request.fields);
        assert!(printed.contains("x-amz-security-token") && printed.contains("authorization"), "{printed}");
        assert!(!printed.contains("canary") && !printed.contains("Signature"), "{printed}");
    }

    #[test]
    fn amazons_own_test_suite_is_signed_as_there() {
        let scope = Scope { region: "us-east-1".into(), service: "service" };
        let form = Some("application/x-www-form-urlencoded");
        // Name, method, path, query, type and body of the suite's requests, and their signatures.
        for (name, method, path, query, content_type, body, signature) in [
            (
                "get-vanilla",
                "GET",
                "/",
                "",
                None,
                "",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "get-vanilla-query-order-key-case",
                "GET",
                "/",
                "Param2=value2&Param1=value1",
                None,
                "",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "get-utf8",
                "GET",
                "/\u{1234}",
                "",
                None,
                "",
                "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
            ),
            (
                "get-space-normalized",
                "GET",
                "/example space/",
                "",
                None,
                "",
                "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
            ),
            (
                "post-vanilla",
                "POST",
                "/",
                "",
                None,
                "",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "post-vanilla-query",
                "POST",
                "/",
                "Param1=value1",
                None,
                "",
                "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
            ),
            (
                "post-x-www-form-urlencoded",
                "POST",
                "/",
                "",
                form,
                "Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ] {
            let body = hex(digest::digest(&SHA256, body.as_bytes()).as_ref());
            let signed = Signed { method, path, query, host: "example.amazonaws.com", content_type, body: &body };
            let made = authorization(&signed, &key(""), &scope, &written(time()));
            let kind = if content_type.is_some() { "content-type;" } else { "" };
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders={kind}host;x-amz-date, Signature={signature}"
            );
            assert_eq!(made, expected, "{name}");
        }
    }

    #[test]
    fn a_converse_is_signed_as_amazons_own_sdk_signs_it() {
        let host = "bedrock-runtime.us-east-1.amazonaws.com";
        let scope = Scope::of(None, host).expect("the host names it");
        // Signed by botocore 1.44.8, without and with a session.
        for (session, headers, signature) in [
            ("", "content-type;host;x-amz-date", "c045e4832c3eb7dea879c61467b23787f0c00e567d5ee9b7a6d09271577a238c"),
            (
                ":session/token==",
                "content-type;host;x-amz-date;x-amz-security-token",
                "7ff5c54d40cc0a520c1702d2225e9456ac29eaeec3b59407f12f1e41df00c7a0",
            ),
        ] {
            let pieces = [Bytes::from_static(b"{\"messages\""), Bytes::from_static(b":[]}")];
            let path = Uri::from_static("/model/us.amazon.nova-2-lite-v1%3A0/converse");
            let mut request = Outgoing::new(Method::POST, path, OutgoingBody::new(pieces));
            request.fields.put_text(&CONTENT_TYPE, b"application/json");
            sign(&mut request, &HeaderValue::from_static(host), &key(session), &scope, time());
            let request = request.into_http2();
            assert_eq!(
                request.headers()[AUTHORIZATION],
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/bedrock/aws4_request, \
                     SignedHeaders={headers}, Signature={signature}"
                )
            );
            assert_eq!(request.headers()[DATE], "20150830T123600Z");
            assert_eq!(request.headers().contains_key(SESSION), !session.is_empty());
            assert!(!format!("{:?}", request.headers()).contains(signature), "it is marked as sensitive");
        }
    }

    #[test]
    fn credentials_and_regions_that_are_none_are_told_without_their_values() {
        for bad in ["canary", "canary:", ":canary", "a:canary:b:c", "a: canary", "a:canary\n"] {
            let told = AwsKey::parse(&Secret::new(bad.to_owned())).err().expect("refused");
            assert!(!told.contains("canary"), "{told}");
        }
        let region = |given, host| Scope::of(given, host).map(|scope| scope.region).ok();
        assert_eq!(region(None, "bedrock-runtime.eu-central-1.amazonaws.com").as_deref(), Some("eu-central-1"));
        assert_eq!(region(Some("eu-north-1"), "127.0.0.1").as_deref(), Some("eu-north-1"));
        assert_eq!(region(None, "vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com"), None);
        assert_eq!(region(None, "127.0.0.1"), None);
    }
}
