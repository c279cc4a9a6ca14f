#include "payment/courier.hpp"

#include "payment/payment_message.hpp"
#include "session/fault.hpp"

#include <boost/algorithm/string/predicate.hpp>
#include <fmt/core.h>

namespace rivulet::payment {
namespace {

constexpr std::size_t answer_bytes = 1024 * 1024;

} // namespace

awaitable<courier::report> courier::deliver(payee& whom, job_headers headers) {
    kept_ = std::move(headers);
    return post(whom, false);
}

awaitable<courier::report> courier::deliver_again(payee& whom) {
    return post(whom, true);
}

awaitable<courier::report> courier::post(payee& whom, bool again) {
    http::header_list headers;
    headers.emplace_back("Livepeer-Segment", kept_->segment);
    headers.emplace_back("Livepeer-Payment", kept_->payment);
    const auto url = whom.url() + "/payment";
    auto answer = co_await http::fetch(
        options_, http::verb::post, url, std::move(headers), std::string(), limit_, answer_bytes
    );
    if (!answer)
        co_return report(fate::unknown, answer.error());
    const auto status = static_cast<unsigned>(answer->status);
    if (status == 200) {
        kept_.reset();
        const auto known = whom.info();
        if (known)
            if (auto newer = parse_payment_result(answer->body, *known))
                whom.replace(std::move(*newer));
        co_return report(fate::taken, {});
    }
    const auto fault = session::to_fault(status, answer->body);
    auto text = fmt::format("{} answered the payment with {}: {}", whom.url(), status, fault.text);
    // The first time it got through after all, only its answer was lost.
    if (again && boost::algorithm::icontains(fault.text, "already seen")) {
        kept_.reset();
        co_return report(fate::taken, {});
    }
    if (status >= 500)
        co_return report(fate::unknown, failure(errc::http_status, std::move(text)));
    kept_.reset();
    co_return report(fate::refused, failure(errc::http_status, std::move(text)));
}

} // namespace rivulet::payment
