// The body and the Host header of a job request: never crashes, and the reply's URLs hold nothing
// that was not checked.
#include "worker/job_request.hpp"

#include <boost/json/serialize.hpp>

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace rivulet;
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    http::request request;
    // The first line is the host.
    const auto line = input.find('\n');
    const auto host = input.substr(0, line);
    if (host.find_first_of(std::string_view("\r\0", 2)) == std::string_view::npos &&
        host.size() < 4096)
        request.header.set("Host", host);
    if (line != std::string_view::npos)
        request.body = std::string(input.substr(line + 1));

    const auto base = worker::url_base(request, {});
    if (base.find_first_of("\"<> \\\n/", sizeof "http:/" + 1) != std::string::npos)
        std::abort();
    const auto asked = worker::parse_job_request(request);
    if (!asked)
        return 0;
    if (asked->stream_id.size() > 128 || asked->request_id.size() > 128 ||
        asked->model.size() > 128)
        std::abort();
    boost::json::serialize(worker::job_reply(base, "/ai/trickle/", "id"));
    return 0;
}
