#include "session/rpc_failure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace rivulet::session {
namespace {

constexpr std::size_t max_quoted = 300;

// gRPC's numbers; the ones that are not named here are treated alike.
constexpr int cancelled = 1, deadline_exceeded = 4, resource_exhausted = 8, unimplemented = 12,
              internal = 13, unavailable = 14;

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != text.npos;
}

// Without control characters, short enough for a log line.
std::string quoted(std::string_view text) {
    std::string out(text.substr(0, max_quoted));
    std::ranges::replace_if(
        out, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' '
    );
    return text.size() > max_quoted ? out + "..." : out;
}

// The end of gRPC's chain of causes: "… last error: UNKNOWN: ipv4:1.2.3.4:5: Failed to connect to
// remote host: Connection refused".
std::string root_cause(std::string_view message) {
    for (const std::string_view known :
         {"Connection refused",
          "No route to host",
          "Network is unreachable",
          "Connection reset by peer",
          "Connection timed out",
          "Broken pipe"})
        if (contains(message, known)) {
            std::string out(known);
            out[0] = static_cast<char>(out[0] - 'A' + 'a');
            return out;
        }
    static constexpr std::string_view last = "last error: ";
    if (const auto at = message.rfind(last); at != message.npos)
        message.remove_prefix(at + last.size());
    // What is left begins with a code and the address: "UNKNOWN: ipv4:1.2.3.4:5: …".
    for (const std::string_view code : {"UNKNOWN: ", "UNAVAILABLE: "})
        if (message.starts_with(code))
            message.remove_prefix(code.size());
    if (message.starts_with("ipv4:") || message.starts_with("ipv6:"))
        if (const auto end = message.find(": "); end != message.npos)
            message.remove_prefix(end + 2);
    return quoted(message);
}

// The connection's own life; the rest is the orchestrator's answer.
failure no_connection(std::string_view message, std::string_view address) {
    if (contains(message, "http1.x") || contains(message, "HTTP/1") ||
        contains(message, "parsing HTTP/2"))
        return {
            errc::protocol_violation,
            fmt::format("{} speaks HTTP/1, discovery needs HTTP/2 (gRPC)", address)};
    // What the usual mistakes of a list look like, with their cures.
    if (contains(message, "wrong version number"))
        return {
            errc::tls_failed,
            fmt::format(
                "TLS with {}: wrong version number: it speaks without TLS there (another port, or "
                "write http://)",
                address
            )};
    if (contains(message, "certificate verify failed"))
        return {
            errc::tls_failed,
            fmt::format(
                "TLS with {}: certificate verify failed: no known authority signed it "
                "(-orchestratorCaFile names more, -orchestratorTlsVerify pin asks for none)",
                address
            )};
    if (address.starts_with("http://") &&
        (contains(message, "Socket closed") || contains(message, "reset by peer")))
        return {
            errc::connect_failed,
            fmt::format(
                "can't connect to {}: it closed the connection (where it wants TLS, write "
                "https://)",
                address
            )};
    if (contains(message, "ALPN"))
        return {errc::tls_failed, fmt::format("{} offers no HTTP/2 over TLS (ALPN h2)", address)};
    for (const std::string_view sign :
         {"andshake", "SSL", "TLS", "ertificate", "Peer name", "verif"})
        if (contains(message, sign))
            return {errc::tls_failed, fmt::format("TLS with {}: {}", address, root_cause(message))};
    if (contains(message, "DNS") || contains(message, "resol"))
        return {
            errc::connect_failed,
            fmt::format("can't connect to {}: the name has no address", address)};
    if (contains(message, "timed out") || contains(message, "imeout"))
        return {
            errc::connect_failed, fmt::format("can't connect to {}: no answer in time", address)};
    return {
        errc::connect_failed, fmt::format("can't connect to {}: {}", address, root_cause(message))};
}

} // namespace

failure rpc_failure(int code, std::string_view message, std::string_view address) {
    switch (code) {
    case cancelled:
        return {errc::cancelled, fmt::format("{}: cancelled", address)};
    case deadline_exceeded:
        return {errc::timed_out, fmt::format("{} did not answer in time", address)};
    case unavailable:
        return no_connection(message, address);
    case resource_exhausted:
        if (contains(message, "larger than max"))
            return {errc::protocol_violation, fmt::format("the answer of {} is too long", address)};
        break;
    case unimplemented:
        if (contains(message, "ompression"))
            break;
        return {
            errc::protocol_violation,
            fmt::format("{} is no orchestrator: it does not know GetOrchestrator", address)};
    case internal:
        return {
            errc::protocol_violation,
            fmt::format("the answer of {} can't be read: {}", address, quoted(message))};
    default:
        break;
    }
    if (contains(message, "http2 header with status") || contains(message, "ompression"))
        return {
            errc::protocol_violation,
            fmt::format("{} gives no gRPC answer: {}", address, quoted(message))};
    return {
        errc::http_status,
        fmt::format("{} refuses: {}", address, message.empty() ? "no reason" : quoted(message))};
}

} // namespace rivulet::session
