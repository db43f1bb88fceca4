//! Hard money: whatever happens at once, a tenant's charges never exceed its budget, and what it has it can use.

use std::sync::Arc;

use base::Money;
use serde_json::json;

use crate::app::{TestApp, tenant};
use crate::client::{Client, chat, post};

/// Calls in flight at once.
const PARALLEL: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_calls_at_the_edge_of_a_budget_never_exceed_it_and_use_it() {
    // A call holds some 0.0022 USD and costs about 0.0001: few fit at once, and about a hundred in all.
    let budget = Money::parse_usd("0.01").unwrap();
    let app = Arc::new(TestApp::start(vec![tenant("acme", json!({ "budget": { "usd_per_month": budget } }))]).await);
    let workers: Vec<_> = (0..PARALLEL)
        .map(|worker| {
            let app = app.clone();
            tokio::spawn(async move {
                let mut client = Client::connect(app.relay.address()).await;
                let (mut served, mut refused) = (0, 0);
                for round in 0..20 {
                    let stream = (worker + round) % 2 == 0;
                    let more =
                        json!({ "max_tokens": 10 + (worker * 7 + round) % 40, "n": 1 + round % 3, "stream": stream });
                    let reply = client.call(post("/v1/chat/completions", "acme", chat("chat", more))).await;
                    match reply.status.as_u16() {
                        200 => served += 1,
                        402 => refused += 1,
                        other => panic!("{other}: {}", reply.text()),
                    }
                }
                (served, refused)
            })
        })
        .collect();
    let (mut served, mut refused) = (0, 0);
    for worker in workers {
        let (ok, no) = worker.await.unwrap();
        served += ok;
        refused += no;
    }
    app.settled().await;
    let spent = app.spent("acme");
    assert!(spent <= budget, "spent {spent} of {budget}");
    assert!(refused > 0 && served > 0, "{served} served, {refused} refused: the edge was reached");

    // The provider's own count of tokens, at the model's prices, is what the ledger says.
    let truth = app.provider.truth().total;
    let billed = Money::from_nanos((truth.prompt_tokens * 1_000 + truth.completion_tokens * 2_000) as i64);
    assert_eq!(spent, billed);
    let charged: Money = app.records("acme").await.iter().map(|record| record.charged).sum();
    assert_eq!(spent, charged);

    // What is left is usable: a call whose worst case fits into it is served, any other is not.
    let smallest = json!({ "max_tokens": 1 });
    let explained = app.call(post("/v1/explain", "acme", chat("chat", smallest.clone()))).await.json();
    let worst = Money::parse_usd(explained["worst_case"]["usd"].as_str().expect("an amount")).unwrap();
    let expected = if worst <= budget - spent { 200 } else { 402 };
    assert_eq!(app.chat("acme", "chat", smallest).await.status, expected, "{worst} needed, {} left", budget - spent);
}

#[tokio::test]
async fn a_worst_case_covers_every_way_of_asking_for_more() {
    let app = TestApp::start(vec![tenant("acme", json!({ "budget": { "usd_total": "0.0005" } }))]).await;
    let asks = [
        json!({}),
        json!({ "max_tokens": 100, "n": 8 }),
        json!({ "max_completion_tokens": 100_000 }),
        json!({ "max_tokens": null, "n": 4 }),
        json!({ "max_tokens": 1, "unheard_of": true }),
    ];
    for ask in asks {
        let reply = app.chat("acme", "chat", ask.clone()).await;
        assert_eq!(reply.code(), "budget_exhausted", "{ask}: {}", reply.text());
    }
    assert!(app.provider.requests().is_empty());
}
