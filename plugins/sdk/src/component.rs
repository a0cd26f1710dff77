//! Between the contract's records and the typed phase.

use std::marker::PhantomData;

use crate::bindings::exports::testbench::phase::generator::Guest;
use crate::bindings::testbench::phase::types as wire;
use crate::{Descriptor, Failure, Phase, Request};

/// A phase as the component that the host calls; [`export_phase!`](crate::export_phase) makes one.
#[doc(hidden)]
#[derive(Debug)]
pub struct Component<P>(PhantomData<P>);

impl<P: Phase> Guest for Component<P> {
    fn describe() -> Descriptor {
        P::descriptor()
    }

    fn generate(request: wire::Request) -> Result<wire::Contribution, Failure> {
        P::generate(&Request::parse(request)?).map(wire::Contribution::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Contribution, FailureKind, Step};

    struct Sample;

    impl Phase for Sample {
        type Settings = String;

        fn descriptor() -> Descriptor {
            Descriptor::new("sample", "1.0.0")
        }

        fn generate(request: &Request<String>) -> Result<Contribution, Failure> {
            Ok(Contribution::new().step(Step::template(&request.settings)))
        }
    }

    fn call(settings: &str, input: &str) -> Result<wire::Contribution, Failure> {
        Component::<Sample>::generate(wire::Request {
            phase: "sample".to_owned(),
            namespace: "team".to_owned(),
            settings: settings.to_owned(),
            input: input.to_owned(),
        })
    }

    #[test]
    fn unknown_keys_of_the_input_are_ignored() {
        let mut input = crate::testing::base_input();
        input["toCome"] = true.into();
        let contribution = call(r#""a""#, &input.to_string()).unwrap();
        assert_eq!(
            contribution.workflow.unwrap(),
            r#"{"steps":[{"template":{"name":"a"}}]}"#
        );
    }

    #[test]
    fn an_unreadable_request_is_refused_by_its_part() {
        let input = crate::testing::base_input().to_string();
        for (settings, input, path) in [
            ("1", input.as_str(), "/settings"),
            (r#""a""#, "{}", "/input"),
        ] {
            let failure = call(settings, input).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Rejected);
            assert_eq!(failure.diagnostics[0].path.as_deref(), Some(path));
        }
    }
}
