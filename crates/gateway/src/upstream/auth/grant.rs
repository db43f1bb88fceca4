//! What a token endpoint is asked with: the signed claim of a service account (Google), or an application's secret (Entra).
//!
//! Sources: RFC 7523, section 2.1, with RFC 7515 and 7518 for the claim; RFC 6749, section 4.4, for the secret.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base::{Secret, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use catalog::TokenTerms;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;

/// What Google's and Microsoft's models want a token to be for.
const GOOGLE_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const AZURE_SCOPE: &str = "https://cognitiveservices.azure.com/.default";

/// How long a claim may be used, in seconds: what Google allows at most.
const CLAIM_SECONDS: i64 = 3_600;

/// See the module's description.
pub(super) struct Grant {
    /// Where tokens are got.
    pub(super) url: String,
    scope: String,
    kind: Kind,
}

enum Kind {
    ServiceAccount { email: String, audience: String, key_id: Option<String>, key: Box<RsaKeyPair> },
    Application { client_id: String, secret: Secret<String> },
}

/// The file that Google gives out for a service account, as far as it is needed.
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: String,
    #[serde(default)]
    private_key_id: Option<String>,
    token_uri: String,
}

impl Grant {
    /// Of the key of a service account: the whole file that Google gave out.
    ///
    /// # Errors
    /// What is wrong with it, without any of it.
    pub(super) fn of_service_account(file: &Secret<String>, terms: &TokenTerms) -> Result<Grant, String> {
        // The error of the parser would show a part of the file.
        let file: KeyFile = serde_json::from_str(file.expose())
            .map_err(|_| "it is not the JSON key of a service account, with client_email, private_key and token_uri")?;
        let der = PrivatePkcs8KeyDer::from_pem_slice(file.private_key.as_bytes())
            .map_err(|_| "the private_key in it is not in PEM form")?;
        let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| "the private_key in it is no RSA key")?;
        let url = terms.url.clone().unwrap_or_else(|| file.token_uri.clone());
        if terms.url.is_none() && !url.starts_with("https://") {
            return Err("the token_uri in it does not begin with https://".into());
        }
        let kind = Kind::ServiceAccount {
            email: file.client_email,
            audience: file.token_uri,
            key_id: file.private_key_id,
            key: Box::new(key),
        };
        Ok(Grant { url, scope: terms.scope.clone().unwrap_or_else(|| GOOGLE_SCOPE.to_owned()), kind })
    }

    /// Of an application and its secret.
    ///
    /// # Errors
    /// When the upstream does not say which application, or where.
    pub(super) fn of_application(secret: &Secret<String>, terms: &TokenTerms) -> Result<Grant, String> {
        let url = terms.url.clone().ok_or("the upstream has no token.url")?;
        let client_id = terms.client_id.clone().ok_or("the upstream has no token.client_id")?;
        let scope = terms.scope.clone().unwrap_or_else(|| AZURE_SCOPE.to_owned());
        Ok(Grant { url, scope, kind: Kind::Application { client_id, secret: secret.clone() } })
    }

    /// What no client may see of it.
    pub(super) fn secret(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::ServiceAccount { .. } => None,
            Kind::Application { secret, .. } => Some(secret.expose().as_bytes()),
        }
    }

    /// The form to be posted.
    ///
    /// # Errors
    /// When the claim cannot be signed.
    pub(super) fn form(&self, now: Timestamp) -> Result<Secret<String>, String> {
        let form = match &self.kind {
            Kind::ServiceAccount { .. } => {
                let claim = self.claim(now)?;
                format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={claim}")
            }
            Kind::Application { client_id, secret } => format!(
                "grant_type=client_credentials&client_id={}&client_secret={}&scope={}",
                escaped(client_id),
                escaped(secret.expose()),
                escaped(&self.scope)
            ),
        };
        Ok(Secret::new(form))
    }

    /// The claim of a service account, signed with its key.
    fn claim(&self, now: Timestamp) -> Result<String, String> {
        let Kind::ServiceAccount { email, audience, key_id, key } = &self.kind else { return Ok(String::new()) };
        let mut head = serde_json::json!({ "alg": "RS256", "typ": "JWT" });
        if let Some(key_id) = key_id {
            head["kid"] = key_id.as_str().into();
        }
        let issued = now.seconds();
        let claims = serde_json::json!({
            "iss": email, "scope": self.scope, "aud": audience, "iat": issued, "exp": issued + CLAIM_SECONDS,
        });
        let [head, claims] = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let text = format!("{head}.{claims}");
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|_| "the claim of the service account could not be signed")?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// A text as a value of a form or a query.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            escaped.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn pem() -> String {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        let der: Pkcs8V1Der<'_> = key.as_der().expect("its form");
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()))
    }

    fn file(change: impl FnOnce(&mut serde_json::Value)) -> Secret<String> {
        let mut file = serde_json::json!({
            "type": "service_account", "client_email": "relay@example.iam.gserviceaccount.com", "private_key": pem(),
            "private_key_id": "k1", "token_uri": "https://oauth2.googleapis.com/token",
        });
        change(&mut file);
        Secret::new(file.to_string())
    }

    #[test]
    fn the_claim_of_a_service_account_says_who_asks_for_what_and_is_signed() {
        let grant = Grant::of_service_account(&file(|_| ()), &TokenTerms::default()).expect("a grant");
        assert_eq!(grant.url, "https://oauth2.googleapis.com/token");
        let form = grant.form(Timestamp::from_seconds(1_700_000_000)).expect("signed");
        let claim = form.expose().split_once("&assertion=").expect("an assertion").1;
        let parts: Vec<&str> = claim.split('.').collect();
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64");
        let json = |part: &str| serde_json::from_slice::<serde_json::Value>(&decoded(part)).expect("JSON");
        assert_eq!(json(parts[0]), serde_json::json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" }));
        assert_eq!(
            json(parts[1]),
            serde_json::json!({
                "iss": "relay@example.iam.gserviceaccount.com", "scope": GOOGLE_SCOPE,
                "aud": "https://oauth2.googleapis.com/token", "iat": 1_700_000_000, "exp": 1_700_003_600,
            })
        );
        let Kind::ServiceAccount { key, .. } = &grant.kind else { panic!("of a service account") };
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
        let text = format!("{}.{}", parts[0], parts[1]);
        public.verify(text.as_bytes(), &decoded(parts[2])).expect("it is signed by the key");
        assert!(public.verify(b"another text", &decoded(parts[2])).is_err());
    }

    #[test]
    fn an_application_asks_with_its_secret() {
        let terms = TokenTerms {
            url: Some("https://login.microsoftonline.com/t/oauth2/v2.0/token".into()),
            client_id: Some("app-1".into()),
            scope: None,
        };
        let grant = Grant::of_application(&Secret::new("s~e&c".into()), &terms).expect("a grant");
        assert_eq!(
            grant.form(Timestamp::EPOCH).expect("a form").expose(),
            "grant_type=client_credentials&client_id=app-1&client_secret=s~e%26c\
             &scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default"
        );
        assert!(Grant::of_application(&Secret::new("s".into()), &TokenTerms::default()).is_err());
    }

    #[test]
    fn what_is_no_key_of_a_service_account_is_told_without_any_of_it() {
        let refused = |file: Secret<String>| {
            let told = Grant::of_service_account(&file, &TokenTerms::default()).err().expect("refused");
            assert!(!told.contains("canary"), "{told}");
            told
        };
        refused(Secret::new("canary".into()));
        refused(Secret::new(r#"{"client_email":"canary"}"#.into()));
        refused(file(|file| file["private_key"] = "canary".into()));
        let plain = refused(file(|file| file["token_uri"] = "http://canary/token".into()));
        assert!(plain.contains("https://"), "{plain}");
    }
}
