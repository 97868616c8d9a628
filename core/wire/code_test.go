package wire

import (
	"errors"
	"fmt"
	"testing"
)

func TestReplyCodesHaveTheNamesAndClassesOfTheSpecification(t *testing.T) {
	tests := []struct {
		code Code
		text string
		hard bool
	}{
		{200, "amqp: 200 REPLY_SUCCESS", false}, {311, "amqp: 311 CONTENT_TOO_LARGE", false}, {312, "amqp: 312 NO_ROUTE", false},
		{313, "amqp: 313 NO_CONSUMERS", false}, {320, "amqp: 320 CONNECTION_FORCED", true}, {402, "amqp: 402 INVALID_PATH", true},
		{403, "amqp: 403 ACCESS_REFUSED", false}, {404, "amqp: 404 NOT_FOUND", false}, {405, "amqp: 405 RESOURCE_LOCKED", false},
		{406, "amqp: 406 PRECONDITION_FAILED", false}, {501, "amqp: 501 FRAME_ERROR", true}, {502, "amqp: 502 SYNTAX_ERROR", true},
		{503, "amqp: 503 COMMAND_INVALID", true}, {504, "amqp: 504 CHANNEL_ERROR", true}, {505, "amqp: 505 UNEXPECTED_FRAME", true},
		{506, "amqp: 506 RESOURCE_ERROR", true}, {530, "amqp: 530 NOT_ALLOWED", true}, {540, "amqp: 540 NOT_IMPLEMENTED", true},
		{541, "amqp: 541 INTERNAL_ERROR", true}, {999, "amqp: 999 REPLY_CODE_999", false}, {0, "amqp: 0 REPLY_CODE_0", false},
	}
	for _, test := range tests {
		if test.code.Error() != test.text || test.code.Hard() != test.hard {
			t.Errorf("%s, hard %v", test.code.Error(), test.code.Hard())
		}
		if want := test.text[len("amqp: 200 "):]; test.code > 99 && test.code.String() != want {
			t.Errorf("%s, want %s", test.code.String(), want)
		}
	}
}

func TestErrorsAreFoundByTheirCode(t *testing.T) {
	err := fmt.Errorf("declaring: %w", &DecodeError{Method: QueueDeclareID, Field: "arguments", Offset: 12, Reason: "unknown field type 'Z'", Code: SyntaxError})
	if !errors.Is(err, SyntaxError) || errors.Is(err, NotFound) {
		t.Error(err)
	}
	if want := "declaring: amqp: decoding queue.declare: arguments at byte 12: unknown field type 'Z'"; err.Error() != want {
		t.Error(err)
	}
	var code Code
	if !errors.As(err, &code) || code != SyntaxError {
		t.Error(code)
	}
}
