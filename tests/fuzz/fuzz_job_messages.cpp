// What strangers write around asynchronous jobs: preferences, questions for a result, addresses to
// be told; and bodies that a journal kept badly. Nothing may crash, and every answer is JSON.
#include "batch/job_routes.hpp"
#include "batch/job_webhook.hpp"

#include <boost/json/parse.hpp>

#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace rivulet;

namespace {

void require_json(const std::string& text) {
    error_code failed;
    boost::json::parse(text, failed);
    if (failed)
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    static_cast<void>(batch::asks_async(text));

    const auto asked = batch::parse_result_request(text);
    if (!asked)
        require_json(batch::to_response(asked.error(), "").body);

    const batch::webhook_rules rules;
    const auto hook = batch::check_webhook(text, rules);
    if (hook && hook->host == "127.0.0.1")
        std::abort();

    batch::job_view job;
    job.row.id = "0123456789abcdef0123456789abcdef";
    job.row.pipeline = "image-to-video";
    job.row.model = "model";
    job.row.body = std::string(text);
    for (const auto state :
         {batch::job_state::done, batch::job_state::failed, batch::job_state::cancelled}) {
        job.row.state = state;
        require_json(batch::job_reply(job).body);
        require_json(batch::result_reply(job).body);
    }
    return 0;
}
