//! Reads the tools of OpenAI's dialect: who runs them, and which of them could not be charged or would reach what is not
//! the tenant's.

use base::Refusal;

use super::body::{Draft, printable};
use super::fields::{is_present, wrong_kind};
use crate::billable::Billable;
use crate::call::{Span, TextPlace};
use crate::dialect::Endpoint;
use crate::scan::{Kind, Strict};

/// Tools of the provider with fees that no usage tells.
const UNPRICED: [&str; 3] = ["code_interpreter", "image_generation", "file_search"];

/// Members of a tool that name what the provider keeps for its account, in lower case.
const OWNED: [&str; 6] = ["container", "container_id", "file_ids", "vector_store_ids", "skills", "tunnel_id"];
/// What a skill may say that lies where the client runs the tool.
const OF_LOCAL_SKILL: [&str; 3] = ["name", "description", "path"];

impl<'a> Draft<'a> {
    /// The tools of a call, or its functions, as they were called before.
    pub(super) fn tools(&mut self, scanner: &mut Strict<'a>, name: &str) -> Result<(), Refusal> {
        match scanner.kind()? {
            Kind::Null => return Ok(scanner.skip()?),
            Kind::Array => {}
            _ => return wrong_kind(name, "an array"),
        }
        let start = scanner.at();
        let is_legacy = name == "functions";
        scanner.array::<Refusal>(|scanner| {
            self.billable.tools = self.billable.tools.saturating_add(1);
            if self.endpoint.speaks_messages() {
                return self.anthropic_tool(scanner);
            }
            let (is_ours, searches) = tool(scanner, self.endpoint, is_legacy)?;
            let billable = &mut self.billable;
            billable.server_tools = billable.server_tools.saturating_add(u32::from(!is_ours));
            billable.web_search |= searches;
            Ok(())
        })?;
        self.texts.push(TextPlace::Json(Span { start, end: scanner.at() }));
        Ok(())
    }
}

/// Tools that stand in an item of the input, as if the call had them from its beginning. Those without a type are only listed.
pub(super) fn in_item(scanner: &mut Strict<'_>, billable: &mut Billable) -> Result<(), Refusal> {
    scanner.array::<Refusal>(|scanner| {
        let (is_ours, searches) = tool(scanner, Endpoint::Responses, true)?;
        billable.tools = billable.tools.saturating_add(1);
        billable.server_tools = billable.server_tools.saturating_add(u32::from(!is_ours));
        billable.web_search |= searches;
        Ok(())
    })
}

/// One tool: whether only the client runs it, and whether it searches the web.
fn tool(scanner: &mut Strict<'_>, endpoint: Endpoint, is_legacy: bool) -> Result<(bool, bool), Refusal> {
    if scanner.kind()? != Kind::Object {
        scanner.skip()?;
        return Ok((false, false));
    }
    let is_guarded = endpoint.asks_response();
    let (mut is_typed, mut is_ours, mut has_function, mut searches) = (false, true, is_legacy, false);
    scanner.object::<Refusal>(|scanner, key| {
        let name = key.decode();
        if name.eq_ignore_ascii_case("type") && scanner.kind()? == Kind::String {
            let kind = scanner.string()?.decode();
            if is_guarded {
                check_kind(&kind)?;
            }
            is_typed = true;
            is_ours &= matches!(&*kind, "function" | "custom");
            searches |= kind.contains("search");
            return Ok(());
        }
        has_function |= &*name == "function";
        searches |= !is_legacy && name.contains("search");
        match name.to_ascii_lowercase().as_str() {
            "environment" if is_guarded => environment(scanner),
            "tools" if is_guarded && scanner.kind()? == Kind::Array => scanner.array(|scanner| {
                let inner = tool(scanner, endpoint, is_legacy)?;
                (is_ours, searches) = (is_ours && inner.0, searches || inner.1);
                Ok(())
            }),
            owned if is_guarded && OWNED.contains(&owned) => {
                if is_present(scanner)? {
                    Err(unowned(owned))
                } else {
                    Ok(())
                }
            }
            _ => Ok(scanner.skip()?),
        }
    })?;
    Ok((is_ours && (is_typed || has_function), searches))
}

/// Refuses a tool of a type that cannot be used.
fn check_kind(kind: &str) -> Result<(), Refusal> {
    if UNPRICED.contains(&kind) {
        let sentence = format!("The tool '{kind}' has fees for which this relay has no price. Leave it out.");
        return Err(Refusal::invalid(Some("tools"), sentence));
    }
    Ok(())
}

fn unowned(member: &str) -> Refusal {
    let sentence = format!(
        "'tools.{member}' names an object of the provider's account, whose owner this relay does not know. Leave it out."
    );
    Refusal::invalid(Some("tools"), sentence)
}

/// Where a shell runs: with the client. A container of the provider's has fees, and may have been another tenant's. A word
/// is what a computer shows that the client drives, such as "browser".
fn environment(scanner: &mut Strict<'_>) -> Result<(), Refusal> {
    match scanner.kind()? {
        Kind::Null | Kind::String => return Ok(scanner.skip()?),
        Kind::Object => {}
        _ => return wrong_kind("tools.environment", "an object"),
    }
    let (mut types, mut local) = (0_u32, 0_u32);
    scanner.object::<Refusal>(|scanner, key| match (key.decode().as_ref(), scanner.kind()?) {
        ("type", Kind::String) => {
            types += 1;
            local += u32::from(&*scanner.string()?.decode() == "local");
            Ok(())
        }
        ("skills", Kind::Array) => scanner.array(local_skill),
        ("skills", Kind::Null) => Ok(scanner.skip()?),
        (other, _) => Err(unowned(&format!("environment.{}", printable(other)))),
    })?;
    if types != 1 || local != 1 {
        let sentence = "'tools.environment' may only be of the type 'local': containers have fees for which this relay has \
                        no price. Run the tool yourself.";
        return Err(Refusal::invalid(Some("tools"), sentence));
    }
    Ok(())
}

/// A skill that lies with the client, too.
fn local_skill(scanner: &mut Strict<'_>) -> Result<(), Refusal> {
    if scanner.kind()? != Kind::Object {
        return wrong_kind("tools.environment.skills", "an array of objects");
    }
    scanner.object(|scanner, key| {
        let name = key.decode();
        if !OF_LOCAL_SKILL.contains(&&*name) {
            return Err(unowned(&format!("environment.skills.{}", printable(&name))));
        }
        Ok(scanner.skip()?)
    })
}
