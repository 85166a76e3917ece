// Package azure keeps backups in Azure Blob Storage.
package azure
