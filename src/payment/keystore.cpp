#include "payment/keystore.hpp"

#include "session/keccak.hpp"

#include <boost/algorithm/string/trim.hpp>
#include <boost/json/parse.hpp>
#include <fmt/core.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <fstream>
#include <memory>
#include <optional>
#include <vector>

namespace rivulet::payment {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

constexpr std::size_t most_file_bytes = 64 * 1024;
constexpr std::size_t most_files = 1000;
constexpr std::uint64_t most_scrypt_memory = 1024ull * 1024 * 1024;
constexpr std::uint64_t most_rounds = 10'000'000;

failure broken(std::string_view what) {
    return failure(errc::invalid_argument, fmt::format("the keystore's {} can't be used", what));
}

const json::object* object_at(const json::object& in, std::string_view key) {
    const auto* value = in.if_contains(key);
    return value ? value->if_object() : nullptr;
}

std::string text_at(const json::object& in, std::string_view key) {
    const auto* value = in.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::uint64_t number_at(const json::object& in, std::string_view key) {
    const auto* value = in.if_contains(key);
    return value && value->is_int64() && value->get_int64() > 0
               ? static_cast<std::uint64_t>(value->get_int64())
               : 0;
}

std::string hex_at(const json::object& in, std::string_view key) {
    return session::from_hex(text_at(in, key)).value_or(std::string());
}

unsigned char* raw(std::string& text) {
    return reinterpret_cast<unsigned char*>(text.data());
}

const unsigned char* raw(const std::string& text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

// 32 bytes from the password.
outcome<std::string>
derive(const std::string& kdf, const json::object& params, std::string_view password) {
    std::string out(32, '\0');
    const auto salt = hex_at(params, "salt");
    if (number_at(params, "dklen") != 32 || salt.empty())
        return broken("kdfparams");
    if (kdf == "scrypt") {
        const auto n = number_at(params, "n"), r = number_at(params, "r"),
                   p = number_at(params, "p");
        if (n < 2 || n > (1u << 22) || r < 1 || r > 64 || p < 1 || p > 64)
            return broken("scrypt parameters");
        if (!EVP_PBE_scrypt(
                password.data(),
                password.size(),
                raw(salt),
                salt.size(),
                n,
                r,
                p,
                most_scrypt_memory,
                raw(out),
                out.size()
            ))
            return broken("scrypt parameters");
        return out;
    }
    if (kdf == "pbkdf2") {
        const auto rounds = number_at(params, "c");
        if (text_at(params, "prf") != "hmac-sha256" || rounds < 1 || rounds > most_rounds ||
            !PKCS5_PBKDF2_HMAC(
                password.data(),
                static_cast<int>(password.size()),
                raw(salt),
                static_cast<int>(salt.size()),
                static_cast<int>(rounds),
                EVP_sha256(),
                static_cast<int>(out.size()),
                raw(out)
            ))
            return broken("pbkdf2 parameters");
        return out;
    }
    return broken("kdf");
}

std::optional<std::string>
aes_128_ctr(const std::string& key, const std::string& iv, const std::string& text) {
    const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
        EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free
    );
    std::string out(text.size(), '\0');
    int size = 0;
    if (!context ||
        !EVP_DecryptInit_ex(context.get(), EVP_aes_128_ctr(), nullptr, raw(key), raw(iv)) ||
        !EVP_DecryptUpdate(
            context.get(), raw(out), &size, raw(text), static_cast<int>(text.size())
        ))
        return std::nullopt;
    return out;
}

std::optional<std::string> read_small(const fs::path& path) {
    std::error_code ec;
    if (!fs::is_regular_file(path, ec) || fs::file_size(path, ec) > most_file_bytes || ec)
        return std::nullopt;
    std::ifstream file(path, std::ios::binary);
    std::string text(most_file_bytes, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    return text;
}

// The address that a keystore names; none when it is no keystore.
std::optional<std::string> address_in(std::string_view text) {
    error_code ec;
    const auto value = json::parse(text, ec);
    if (ec || !value.is_object())
        return std::nullopt;
    return session::parse_address(text_at(value.get_object(), "address"));
}

std::string password_of(const std::string& setting) {
    const auto file = setting.empty() ? std::nullopt : read_small(setting);
    return file ? file->substr(0, file->find_first_of("\r\n")) : setting;
}

outcome<fs::path> choose(const fs::path& folder, const std::optional<std::string>& account) {
    std::vector<fs::path> matching;
    std::error_code ec;
    std::size_t seen = 0;
    for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) {
        if (++seen > most_files)
            break;
        const auto text = read_small(it->path());
        const auto address = text ? address_in(*text) : std::nullopt;
        if (address && (!account || *address == *account))
            matching.push_back(it->path());
    }
    if (matching.empty())
        return failure(
            errc::not_found,
            account
                ? fmt::format("{} has no keystore of the account in -ethAcctAddr", folder.string())
                : fmt::format("{} has no keystore in it", folder.string())
        );
    if (matching.size() > 1)
        return failure(
            errc::invalid_argument,
            fmt::format("{} has several keystores: -ethAcctAddr says which", folder.string())
        );
    return matching.front();
}

} // namespace

outcome<signing_key> open_keystore(std::string_view text, std::string_view password) {
    error_code ec;
    const auto value = json::parse(text, ec);
    const auto* whole = ec ? nullptr : value.if_object();
    const auto* crypto = whole ? object_at(*whole, "crypto") : nullptr;
    if (whole && !crypto)
        crypto = object_at(*whole, "Crypto");
    if (!crypto)
        return broken("JSON");
    const auto* cipher = object_at(*crypto, "cipherparams");
    const auto* kdf = object_at(*crypto, "kdfparams");
    const auto secret = hex_at(*crypto, "ciphertext");
    if (text_at(*crypto, "cipher") != "aes-128-ctr" || !cipher || !kdf || secret.size() != 32)
        return broken("cipher");
    const auto iv = hex_at(*cipher, "iv");
    if (iv.size() != 16)
        return broken("iv");
    auto derived = derive(text_at(*crypto, "kdf"), *kdf, password);
    if (!derived)
        return derived.error();
    const auto mac = keccak(derived->substr(16) + secret);
    const auto wanted = hex_at(*crypto, "mac");
    if (wanted.size() != mac.size() || CRYPTO_memcmp(mac.data(), wanted.data(), mac.size()) != 0)
        return failure(
            errc::unauthorized,
            "the password does not open the keystore (-ethPassword is the password, or the path of "
            "a file that holds it)"
        );
    auto plain = aes_128_ctr(derived->substr(0, 16), iv, secret);
    if (!plain)
        return broken("cipher");
    auto key = signing_key::of(*plain);
    OPENSSL_cleanse(plain->data(), plain->size());
    return key;
}

outcome<signing_key> load_key(const key_location& where) {
    std::optional<std::string> account;
    if (!where.account.empty()) {
        account = session::parse_address(where.account);
        if (!account)
            return failure(errc::invalid_argument, "-ethAcctAddr is no address");
    }
    auto path = where.path;
    std::error_code ec;
    if (fs::is_directory(path, ec)) {
        auto chosen = choose(path, account);
        if (!chosen)
            return chosen.error();
        path = std::move(*chosen);
    }
    auto text = read_small(path);
    if (!text)
        return failure(errc::not_found, fmt::format("{} can't be read", path.string()));
    boost::algorithm::trim(*text);
    auto key = [&]() -> outcome<signing_key> {
        if (auto bare = session::from_hex(*text); bare && bare->size() == 32)
            return signing_key::of(*bare);
        return open_keystore(*text, password_of(where.password));
    }();
    OPENSSL_cleanse(text->data(), text->size());
    if (!key)
        return failure(key.error().code, fmt::format("{}: {}", path.string(), key.error().detail));
    if (account && key->address() != *account)
        return failure(
            errc::invalid_argument,
            fmt::format("{} holds another account than -ethAcctAddr", path.string())
        );
    return key;
}

} // namespace rivulet::payment
