#include "payment/remote_signer.hpp"
#include "session/signer_url.hpp"

#include <fmt/core.h>

namespace rivulet::payment {
namespace {

http::header_list with_json(http::header_list headers) {
    headers.emplace_back("Content-Type", "application/json");
    return headers;
}

failure named(const failure& why) {
    return failure(why.code, "the remote signer: " + why.detail);
}

} // namespace

outcome<std::shared_ptr<signer_client>> signer_client::create(remote_signer_options options) {
    auto sign = session::signer_endpoint(options.url, "/sign-orchestrator-info");
    if (!sign)
        return sign.error();
    auto generate = session::signer_endpoint(options.url, "/generate-live-payment");
    if (!generate)
        return generate.error();
    std::shared_ptr<signer_client> made(new signer_client);
    made->options_ = std::move(options);
    made->sign_url_ = std::move(*sign);
    made->generate_url_ = std::move(*generate);
    return made;
}

awaitable<outcome<session::caller_identity>> signer_client::identify() {
    auto answer = co_await http::fetch(
        options_.signer,
        http::verb::post,
        sign_url_,
        with_json(options_.headers),
        "{}",
        options_.start_limit,
        signer_reply_bytes
    );
    if (!answer)
        co_return named(answer.error());
    co_return parse_identity(static_cast<unsigned>(answer->status), answer->body);
}

awaitable<outcome<signer_reply>> signer_client::generate(payment_question question) {
    auto answer = co_await http::fetch(
        options_.signer,
        http::verb::post,
        generate_url_,
        with_json(options_.headers),
        to_json(question),
        options_.limit,
        signer_reply_bytes
    );
    if (!answer)
        co_return named(answer.error());
    co_return parse_payment_reply(static_cast<unsigned>(answer->status), answer->body);
}

} // namespace rivulet::payment
