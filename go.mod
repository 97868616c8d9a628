module github.com/haypile/haypile

go 1.26
