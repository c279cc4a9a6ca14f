// The embedded pages and how they are served.
#include "live/web_files.hpp"
#include "live/web_pages.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <string>
#include <vector>

namespace rivulet::live {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string header(const http::response& reply, std::string_view name) {
    for (const auto& [key, value] : reply.headers)
        if (key == name)
            return value;
    return {};
}

// Names of files that a text refers to, by address or as a module beside it.
std::vector<std::string> references(std::string_view text) {
    static const std::regex form(R"re((?:/web/|'\./)([a-z_]+\.[a-z]+))re");
    std::vector<std::string> names;
    const std::string copy(text);
    for (std::sregex_iterator it(copy.begin(), copy.end(), form), end; it != end; ++it)
        names.push_back((*it)[1]);
    return names;
}

TEST(web_files, have_everything_that_the_pages_and_modules_refer_to) {
    std::vector<std::string> waiting{"index.html", "player.html"};
    std::set<std::string> seen;
    while (!waiting.empty()) {
        const auto name = waiting.back();
        waiting.pop_back();
        if (!seen.insert(name).second)
            continue;
        const auto* file = find_web_file(name);
        ASSERT_NE(file, nullptr) << name;
        for (auto& next : references(file->text))
            waiting.push_back(std::move(next));
    }
    EXPECT_GT(seen.size(), 20u);
}

TEST(web_files, load_nothing_from_elsewhere) {
    for (const char* name : {"index.html", "player.html", "console.css", "player.css"}) {
        const auto* file = find_web_file(name);
        ASSERT_NE(file, nullptr);
        EXPECT_THAT(std::string(file->text), Not(HasSubstr("src=\"http"))) << name;
        EXPECT_THAT(std::string(file->text), Not(HasSubstr("href=\"http"))) << name;
        EXPECT_THAT(std::string(file->text), Not(HasSubstr("url(http"))) << name;
    }
}

TEST(web_files, are_smaller_compressed_and_have_their_type) {
    const auto* script = find_web_file("console.js");
    ASSERT_NE(script, nullptr);
    EXPECT_EQ(script->content_type, "text/javascript; charset=utf-8");
    ASSERT_GT(script->gzipped.size(), 10u);
    EXPECT_LT(script->gzipped.size(), script->text.size() / 2);
    EXPECT_EQ(script->gzipped.substr(0, 2), "\x1f\x8b");
    EXPECT_EQ(find_web_file("icon.svg")->content_type, "image/svg+xml");
    EXPECT_EQ(find_web_file("../console.js"), nullptr);
    EXPECT_EQ(find_web_file(""), nullptr);
}

TEST(web_pages, the_console_lists_the_streams_for_browsers_without_scripts) {
    const http::request asked;
    const auto page = console_page(asked, "<tr><td>cam</td></tr>");
    EXPECT_EQ(page.status, http::status::ok);
    EXPECT_THAT(page.body, HasSubstr("<tr><td>cam</td></tr>"));
    EXPECT_THAT(page.body, HasSubstr("<noscript>"));
    EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
}

TEST(web_pages, the_console_may_not_be_framed_nor_run_strange_scripts) {
    const auto policy = header(console_page({}, ""), "Content-Security-Policy");
    EXPECT_THAT(policy, HasSubstr("default-src 'none'"));
    EXPECT_THAT(policy, HasSubstr("script-src 'self'"));
    EXPECT_THAT(policy, HasSubstr("frame-ancestors 'none'"));
    EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
}

TEST(web_pages, a_browser_that_has_the_page_is_not_sent_it_again) {
    http::request asked;
    const auto first = console_page(asked, "a");
    const auto etag = header(first, "ETag");
    ASSERT_FALSE(etag.empty());
    asked.header.set(http::field::if_none_match, "\"x\", " + etag);
    const auto again = console_page(asked, "a");
    EXPECT_EQ(again.status, http::status::not_modified);
    EXPECT_EQ(again.body, "");
    EXPECT_EQ(header(again, "ETag"), etag);
    // Another list is another page.
    EXPECT_EQ(console_page(asked, "b").status, http::status::ok);
}

} // namespace
} // namespace rivulet::live
