// Expected failures: one enum for the product, one type for results, one type for failures that a
// user reads. Foreign codes (Asio, OpenSSL) pass through unchanged.
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

#include <string>

namespace rivulet {

using boost::system::error_code;

enum class errc {
    timed_out = 1,      // a deadline passed before the operation finished
    cancelled,          // the owner stopped the operation; not worth a log line
    closed,             // the object was closed before or during the call
    end_of_stream,      // the peer ended the stream in the agreed way
    not_found,          // no such stream, channel or route
    sequence_not_found, // the channel lives, the segment is outside its window
    already_exists,     // the name is taken
    invalid_argument,   // the caller's value can't be used
    protocol_violation, // the peer broke the protocol
    unsupported,        // valid, but nothing here can carry it
    too_large,          // a configured limit was reached
    too_many,           // a configured count was reached
    no_capacity,        // the worker or orchestrator is full
    unauthorized,       // missing or wrong credentials
    connect_failed,     // the peer can't be reached
    tls_failed,         // handshake or certificate check failed
    http_status,        // the peer answered with an unexpected HTTP status
    media_error,        // the media library refused the data
    payment_refused,    // over a price limit, or the payer will not pay
    lagged,             // a reader fell behind the window and was cut
};

const boost::system::error_category& rivulet_category() noexcept;
error_code make_error_code(errc) noexcept;

template <class T>
using result = boost::system::result<T>;

// A failure that a person reads: the code decides, the detail explains (cause and cure).
struct failure {
    error_code code;
    std::string detail;

    failure() = default; // result::error() needs it

    failure(error_code c, std::string d) : code(c), detail(std::move(d)) {}

    failure(errc c, std::string d) : code(make_error_code(c)), detail(std::move(d)) {}
};

// Lets `outcome<T>` throw a sensible exception when a caller forgets to look.
[[noreturn]] void throw_exception_from_error(const failure&, const boost::source_location&);

template <class T>
using outcome = boost::system::result<T, failure>;

} // namespace rivulet

template <>
struct boost::system::is_error_code_enum<rivulet::errc> : std::true_type {};
