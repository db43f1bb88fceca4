//! Whose models Bedrock invokes: each maker has a form of its own, which only the model's name tells.

use base::Refusal;

use crate::dialect::Endpoint;

/// A form that bodies of invoked models have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Maker {
    /// Anthropic's messages.
    Anthropic,
    /// Amazon's Titan, which continues a text.
    TitanText,
    /// Amazon's Titan, which makes vectors of texts.
    TitanVectors,
    /// Amazon's Nova.
    Nova,
    /// Meta's Llama.
    Llama,
    /// Cohere's Command.
    CohereText,
    /// Cohere's Embed.
    CohereVectors,
    /// AI21's Jurassic.
    Jurassic,
    /// Chats and completions by the names that OpenAI gave their members: Mistral, AI21's Jamba, DeepSeek, Qwen, OpenAI.
    Open,
    /// A maker's model that this relay cannot meter, such as one of images.
    Other,
}

/// Names of models by how they begin, first match first.
const NAMES: [(&str, Maker); 26] = [
    ("anthropic.", Maker::Anthropic),
    ("amazon.titan-embed-text", Maker::TitanVectors),
    ("amazon.titan-text", Maker::TitanText),
    ("amazon.titan-tg1", Maker::TitanText),
    ("amazon.nova-micro", Maker::Nova),
    ("amazon.nova-lite", Maker::Nova),
    ("amazon.nova-pro", Maker::Nova),
    ("amazon.nova-premier", Maker::Nova),
    ("amazon.nova-2-lite", Maker::Nova),
    ("amazon.nova-2-pro", Maker::Nova),
    ("amazon.", Maker::Other),
    ("meta.", Maker::Llama),
    ("cohere.command", Maker::CohereText),
    ("cohere.embed", Maker::CohereVectors),
    ("cohere.", Maker::Other),
    ("ai21.j2", Maker::Jurassic),
    ("ai21.jamba", Maker::Open),
    ("ai21.", Maker::Other),
    ("mistral.voxtral", Maker::Other),
    ("mistral.", Maker::Open),
    ("deepseek.", Maker::Open),
    ("qwen.", Maker::Open),
    ("openai.", Maker::Open),
    ("stability.", Maker::Other),
    ("twelvelabs.", Maker::Other),
    ("luma.", Maker::Other),
];

/// What stands before the name of a model that is asked in several regions.
const REGIONS: [&str; 9] = ["us", "us-gov", "eu", "apac", "global", "jp", "au", "ca", "sa"];

impl Maker {
    /// By the provider's name of a model, which may be a resource (`arn:...`) or go by a region; `None` when the name tells
    /// no maker.
    #[must_use]
    pub fn of(model: &str) -> Option<Maker> {
        let name = if model.starts_with("arn:") { model.rsplit('/').next()? } else { model };
        let of_region = name.split_once('.').filter(|(region, _)| REGIONS.contains(region));
        let name = of_region.map_or(name, |(_, rest)| rest);
        NAMES.iter().find(|(start, _)| name.starts_with(start)).map(|(_, maker)| *maker)
    }

    /// What its models are asked for.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] for what this relay cannot meter.
    pub(crate) fn endpoint(self) -> Result<Endpoint, Refusal> {
        match self {
            Maker::Anthropic => Ok(Endpoint::Invoke),
            Maker::TitanText | Maker::Nova | Maker::Llama | Maker::CohereText | Maker::Jurassic | Maker::Open => {
                Ok(Endpoint::InvokeText)
            }
            Maker::TitanVectors | Maker::CohereVectors => Ok(Endpoint::InvokeVectors),
            Maker::Other => {
                let sentence = "This model cannot be invoked through this relay, which has no price for what it makes. Texts \
                                and their vectors can be; ask other models with Converse.";
                Err(Refusal::invalid(Some("model"), sentence))
            }
        }
    }

    /// The object in which the settings of a generation stand, and the name of the output limit in it.
    pub(crate) const fn nested_limit(self) -> Option<(&'static str, &'static str)> {
        match self {
            Maker::TitanText => Some(("textGenerationConfig", "maxTokenCount")),
            Maker::Nova => Some(("inferenceConfig", "maxTokens")),
            _ => None,
        }
    }

    /// The name of the output limit of `model`, where the body itself has it.
    pub(crate) fn limit(self, model: &str) -> &'static str {
        match self {
            Maker::Llama => "max_gen_len",
            Maker::Jurassic => "maxTokens",
            Maker::Open if model.contains("openai.") => "max_completion_tokens",
            _ => "max_tokens",
        }
    }

    /// Tokens that are billed beyond the limit: a stream of Titan's was recorded with 51 tokens for a limit of 50.
    pub(crate) const fn beyond_limit(self) -> u64 {
        match self {
            Maker::TitanText => 1,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maker_is_known_by_the_name_of_its_model_in_every_region_and_as_a_resource() {
        for (name, maker) in [
            ("amazon.titan-text-express-v1", Some(Maker::TitanText)),
            ("amazon.titan-tg1-large", Some(Maker::TitanText)),
            ("amazon.titan-embed-text-v2:0", Some(Maker::TitanVectors)),
            ("amazon.titan-embed-image-v1", Some(Maker::Other)),
            ("amazon.nova-micro-v1:0", Some(Maker::Nova)),
            ("us.amazon.nova-pro-v1:0", Some(Maker::Nova)),
            ("amazon.nova-canvas-v1:0", Some(Maker::Other)),
            ("us-gov.anthropic.claude-3-haiku", Some(Maker::Anthropic)),
            ("global.anthropic.claude-x", Some(Maker::Anthropic)),
            ("apac.meta.llama3-2-1b-instruct-v1:0", Some(Maker::Llama)),
            ("arn:aws:bedrock:us-east-1::foundation-model/mistral.mistral-7b-instruct-v0:2", Some(Maker::Open)),
            ("arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-lite-v1:0", Some(Maker::Nova)),
            ("arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2c3", None),
            ("cohere.command-r-v1:0", Some(Maker::CohereText)),
            ("cohere.embed-english-v3", Some(Maker::CohereVectors)),
            ("cohere.rerank-v3-5:0", Some(Maker::Other)),
            ("ai21.j2-mid-v1", Some(Maker::Jurassic)),
            ("ai21.jamba-1-5-large-v1:0", Some(Maker::Open)),
            ("stability.sd3-5-large-v1:0", Some(Maker::Other)),
            ("mars.amazon.nova-lite-v1:0", None),
            ("theirs", None),
            ("", None),
        ] {
            assert_eq!(Maker::of(name), maker, "{name}");
        }
    }

    #[test]
    fn each_name_of_a_maker_is_reached() {
        for (start, maker) in NAMES {
            assert_eq!(Maker::of(start), Some(maker), "{start}");
        }
    }
}
