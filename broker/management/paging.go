package management

import (
	"fmt"
	"net/http"
	"strconv"
)

// Pages have this many objects, if the query does not say how many, and at most.
const (
	perPage     = 100
	mostPerPage = 500
)

// refusal is why a query cannot be answered, as RabbitMQ says it.
type refusal struct{ what, reason string }

// paged is the page of all that the query asks for; there were total before it
// chose among them.
func paged(all []object, total int, r *http.Request) (any, *refusal) {
	page, size, refused := pagination(r.URL.Query().Get("page"), r.URL.Query().Get("page_size"))
	if refused != nil {
		return nil, refused
	}
	pages := max(1, (len(all)+size-1)/size)
	if page > pages {
		return nil, &refusal{"page_out_of_range", fmt.Sprintf("Page out of range, page: %d page size: %d, len: %d", page, size, len(all))}
	}
	items := all[(page-1)*size : min(page*size, len(all))]
	return object{
		"items": pickAll(items, columns(r)), "item_count": len(items),
		"page": page, "page_size": size, "page_count": pages,
		"filtered_count": len(all), "total_count": total,
	}, nil
}

func pagination(pageText, sizeText string) (page, size int, refused *refusal) {
	page, err := strconv.Atoi(pageText)
	size = perPage
	if sizeText != "" && err == nil {
		size, err = strconv.Atoi(sizeText)
	}
	if err != nil {
		return 0, 0, &refusal{"bad_request", "Pagination parameters are invalid"}
	}
	if page < 1 || size < 1 || size > mostPerPage {
		if sizeText == "" {
			sizeText = "undefined"
		}
		return 0, 0, &refusal{"invalid_pagination_parameters", fmt.Sprintf("Invalid pagination parameters: page number %d, page size %s", page, sizeText)}
	}
	return page, size, nil
}
