#include "live/srt_access.hpp"

namespace rivulet::live {
namespace {

// As the connection itself asks later.
ingest::publish_request request_of(const ingest::srt_caller& caller) {
    ingest::publish_request request;
    request.protocol = "srt";
    request.stream = caller.target.stream;
    request.query = caller.target.query;
    request.remote = caller.remote;
    request.session_id = caller.session_id;
    request.key = caller.target.key;
    return request;
}

awaitable<std::optional<std::string>> passphrase(gate& decides, ingest::publish_request request) {
    co_return decides.passphrase(request);
}

} // namespace

void decide_over_srt(ingest::srt_callbacks& callbacks, gate& decides) {
    callbacks.publish = decides.admission();
    if (!decides.closed())
        return;
    callbacks.access = decides.access();
    callbacks.check_publish = [&decides](ingest::srt_caller caller) {
        return decides.check_publish(request_of(caller));
    };
    callbacks.passphrase = [&decides](ingest::srt_caller caller) {
        return passphrase(decides, request_of(caller));
    };
}

} // namespace rivulet::live
