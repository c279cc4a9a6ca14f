#include "base/error.hpp"

#include <boost/system/system_error.hpp>

namespace rivulet {
namespace {

const char* text(errc code) noexcept {
    switch (code) {
    case errc::timed_out:
        return "timed out";
    case errc::cancelled:
        return "cancelled";
    case errc::closed:
        return "closed";
    case errc::end_of_stream:
        return "end of stream";
    case errc::not_found:
        return "not found";
    case errc::sequence_not_found:
        return "segment outside the channel's window";
    case errc::already_exists:
        return "already exists";
    case errc::invalid_argument:
        return "invalid argument";
    case errc::protocol_violation:
        return "protocol violation";
    case errc::unsupported:
        return "not supported";
    case errc::too_large:
        return "too large";
    case errc::too_many:
        return "too many";
    case errc::no_capacity:
        return "no capacity";
    case errc::unauthorized:
        return "unauthorized";
    case errc::connect_failed:
        return "cannot connect";
    case errc::tls_failed:
        return "TLS failed";
    case errc::http_status:
        return "unexpected HTTP status";
    case errc::media_error:
        return "media error";
    case errc::payment_refused:
        return "the payment was refused";
    case errc::lagged:
        return "fell behind and was cut";
    }
    return "unknown error";
}

struct category final : boost::system::error_category {
    const char* name() const noexcept override { return "rivulet"; }

    std::string message(int value) const override { return text(static_cast<errc>(value)); }
};

} // namespace

const boost::system::error_category& rivulet_category() noexcept {
    static const category instance;
    return instance;
}

error_code make_error_code(errc code) noexcept {
    return {static_cast<int>(code), rivulet_category()};
}

void throw_exception_from_error(const failure& f, const boost::source_location& where) {
    throw boost::system::system_error(f.code, f.detail + " at " + where.to_string());
}

} // namespace rivulet
